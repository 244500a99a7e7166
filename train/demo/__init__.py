"""A web page to try a cascade on: pick or upload a person and a garment, look at the result."""

from train.demo.catalogue import read_catalogue
from train.demo.dressing import Dressing
from train.demo.jobs import Jobs
from train.demo.server import Served, make_app, open_socket
from train.demo.uploads import Photographs

__all__ = ["Dressing", "Jobs", "Photographs", "Served", "make_app", "open_socket", "read_catalogue"]
