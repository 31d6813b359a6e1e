"""Signed statements: written with a certificate of the test's own, read back, and what cannot be signed is refused."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from mggtalk.cli.parser import main
from mggtalk.errors import MediaError, OptionError
from mggtalk.media.credentials import Credentials, read_credentials, sign
from mggtalk.media.provenance import MARK_PREFIX, mark_png, read_mark
from mggtalk.media.verify import verify
from tests.conftest import ROOT

pytest.importorskip("c2pa", reason="c2pa-python is not installed")

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of somebody whom an authority of our own vouches for."""
    authority, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    names = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, who)])
        for who in ("Ada", "Authority")
    ]
    start = datetime(2025, 1, 1, tzinfo=UTC)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= dict.fromkeys(("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36500))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .sign(authority, SHA256())
    )
    folder = tmp_path_factory.mktemp("signer")
    (folder / "chain.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "examples" / "sample.mp4", tmp_path / "sample.mp4"))


def test_a_signed_video_names_its_signer_and_keeps_its_mark(video: Path, signer: tuple[Path, Path]) -> None:
    assert read_credentials(video) is None
    sign(video, *signer)
    assert read_credentials(video) == Credentials("Ada", True, "MGGTalk")
    assert (read_mark(video) or "").startswith(MARK_PREFIX)
    assert verify(video).credentials == Credentials("Ada", True, "MGGTalk")


def test_a_changed_file_is_told(video: Path, signer: tuple[Path, Path]) -> None:
    sign(video, *signer)
    data = bytearray(video.read_bytes())
    data[-2000] ^= 255
    video.write_bytes(data)
    assert read_credentials(video) == Credentials("Ada", False, "MGGTalk")


def test_the_command_line_signs_a_still(
    tmp_path: Path, signer: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    still = tmp_path / "still.png"
    Image.new("RGB", (64, 64), "teal").save(still, pnginfo=mark_png())
    assert main(["sign", str(still), "--certificate", str(signer[0]), "--key", str(signer[1])]) == 0
    assert main(["verify", str(still)]) == 0
    assert "signed by Ada (made by MGGTalk; unchanged since it was signed)" in capfd.readouterr().out


def test_what_cannot_be_signed_is_refused_and_stays_as_it_is(
    video: Path, tmp_path: Path, signer: tuple[Path, Path]
) -> None:
    before = video.read_bytes()
    certificate, key = signer
    with pytest.raises(OptionError, match="is no PEM file"):
        sign(video, video, key)
    other = tmp_path / "other.pem"
    other.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(OptionError, match="cannot sign"):
        sign(video, key, certificate)
    plain = tmp_path / "plain.png"
    Image.new("RGB", (8, 8)).save(plain)
    with pytest.raises(MediaError, match="carries no mark"):
        sign(plain, certificate, key)
    with pytest.raises(MediaError, match="cannot be signed"):
        sign(shutil.copy(video, tmp_path / "a.webm"), certificate, key)
    assert video.read_bytes() == before and not list(tmp_path.glob(".mggtalk-*"))
