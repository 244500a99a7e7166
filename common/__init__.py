"""The plumbing that both programs need; what a shard holds is not here, but in `schemas`.

- `storage`: a folder of shards on this machine or at a URL, read, listed and written
- `atomic`: files that are written whole or not at all
- `page`: the look and the templates of the reports and the demo
- `errors`: what the user can fix, as an exception; `extras`: packages that an extra installs
- `program`: how a program ends; `progress`: what it says while it works; `text`: how it words that
- `options`, `lazy_group`: parts of the command lines; `config_section`: the base of configuration classes

It is apart from `schemas` because that is a contract: a change there changes the meaning of shards on disk, and other
programs may read them by it with pydantic and numpy alone. A change here changes no file. Neither imports the other.
"""
