"""Files on S3 and on web servers: inputs, references and products of a batch.

A file is fetched whole before it is read, and written whole before it is uploaded, since a local
file can be mapped. What goes wrong is one line that names the URL; what may go better the next time
is a `TransientError`, and it is for the caller to try again.

The libraries that it takes come with ``romancal-rs[s3]``, and are imported when a URL is used.
"""

from ._errors import RemoteAccessError, RemoteError, RemoteNotFoundError
from ._loop import TIMEOUT_VARIABLE, close
from ._s3 import ANONYMOUS_VARIABLE
from ._stat import RemoteStat
from ._transfer import describe, exists, expand, fetch, read_head, remove, upload
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
    "close",
    "describe",
    "exists",
    "expand",
    "fetch",
    "is_s3",
    "is_url",
    "name_of",
    "read_head",
    "remove",
    "shown",
    "upload",
    "without_file_scheme",
]
