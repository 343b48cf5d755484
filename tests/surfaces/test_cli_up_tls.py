from __future__ import annotations

import pytest

from tests.surfaces.conftest import Cli


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tls-cert", "server.crt"), "both --tls-cert and --tls-key"),
        (("--tls-client-ca", "clients.crt"), "both --tls-cert and --tls-key"),
        (("--tls-cert", "server.crt", "--tls-key", "server.key"), "server.crt: No such file"),
    ],
)
def test_tls_that_is_not_whole_is_refused_before_anything_listens(
    spantoll: Cli, options: tuple[str, ...], said: str
) -> None:
    result = spantoll("up", *options)

    assert result.status == 2
    assert said in result.err
