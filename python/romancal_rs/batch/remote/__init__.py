"""Files on S3 and on web servers: inputs, references and products of a batch.

A file is fetched whole before it is read, and written whole before it is uploaded, since a local
file can be mapped. What goes wrong is one line that names the URL; what may go better the next time
is a `TransientError`, and it is for the caller to try again.

The libraries that it takes come with ``romancal-rs[s3]``, and are imported when a URL is used.
"""

from ._errors import RemoteAccessError, RemoteError, RemoteNotFoundError, telling_of
from ._loop import TIMEOUT_VARIABLE, close
from ._s3 import ANONYMOUS_VARIABLE
from ._stat import RemoteStat
from ._transfer import (
    check_folder,
    describe,
    exists,
    expand,
    fetch,
    fetch_outline,
    listed,
    read_head,
    remove,
    upload,
)
from ._urls import is_s3, is_url, name_of, shown, without_file_scheme
from .references import RemoteStore
from .scratch import SCRATCH_VARIABLE, Scratch

__all__ = [
    "ANONYMOUS_VARIABLE",
    "SCRATCH_VARIABLE",
    "TIMEOUT_VARIABLE",
    "RemoteAccessError",
    "RemoteError",
    "RemoteNotFoundError",
    "RemoteStat",
    "RemoteStore",
    "Scratch",
    "check_folder",
    "close",
    "describe",
    "exists",
    "expand",
    "fetch",
    "fetch_outline",
    "is_s3",
    "is_url",
    "listed",
    "name_of",
    "read_head",
    "remove",
    "shown",
    "telling_of",
    "upload",
    "without_file_scheme",
]
