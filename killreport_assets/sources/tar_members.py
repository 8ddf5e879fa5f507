"""The members of an archive of EVE Ref, tar.bz2, one by one. What they hold is up to their source."""

import bz2
import tarfile
from collections.abc import Iterator
from pathlib import Path

from killreport_assets.http.errors import TooLarge, Unavailable
from killreport_assets.http.session import MEBIBYTE
from killreport_assets.settings import Settings

TAR_BLOCK = 2**14
"""Read at once: with more, tarfile copies more."""


def tar_members(archive: Path, settings: Settings) -> Iterator[bytes]:
    """Read the members of an archive one by one; the whole archive is never in memory.

    A member larger than KILLREPORT_KILLMAIL_MAX_MIB is yielded as a text that says so, and no JSON.

    Raises:
        Unavailable: it breaks off, or is none; what came before has been yielded.
        TooLarge: unpacked, it exceeds KILLREPORT_DOWNLOAD_MAX_MIB.
    """
    max_bytes = settings.services.download_max_mib * MEBIBYTE
    max_member_bytes = settings.services.killmail_max_mib * MEBIBYTE
    try:
        # bz2 reads archives of several streams, which parallel packers write; tarfile's own "r|bz2" does not.
        with bz2.open(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r|", bufsize=TAR_BLOCK) as members:
            for member in members:
                if member.offset_data + member.size > max_bytes:
                    limit = max_bytes // MEBIBYTE
                    raise TooLarge(f"{archive.name}: unpacked, the archive exceeds {limit:,} MiB")
                if not member.isreg() or member.issparse():
                    continue
                if member.size > max_member_bytes:
                    yield f"{member.name}: a member of {member.size:,} bytes".encode()
                else:
                    # In a stream the content follows its header; extractfile would make three objects to read it.
                    content = members.fileobj.read(member.size)  # type: ignore[union-attr]
                    if len(content) < member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield content
                members.members.clear()  # type: ignore[attr-defined]  # it keeps each one it has seen
    except (tarfile.TarError, EOFError, OSError, ValueError) as broken:
        raise Unavailable(f"{archive.name}: breaks off ({broken or type(broken).__name__})") from None
