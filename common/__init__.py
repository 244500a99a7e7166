"""Plumbing shared by both programs; the format of shards is defined in `schemas`, not here.

- `storage`: reads, lists and writes a folder of shards, local or at a URL
- `atomic`: writes files whole or not at all
- `imaging`: opens photographs, and converts colour profiles
- `page`: style and templates of the reports and the demo
- `errors`: errors that the user can fix; `extras`: packages that an extra installs
- `standard_streams`: opens those that a program was started without; `csv_files`: lists of pairs
- `program`: exit codes and final messages; `progress`: messages and progress bars; `text`: formatting of text
- `options`, `lazy_group`: parts of the command lines; `config_section`: the base of configuration classes

It is separate from `schemas` because that is a contract: a change there changes the meaning of shards on disk, and
other programs may use it to read them with pydantic and numpy alone. A change here changes no file. Neither imports
the other.
"""
