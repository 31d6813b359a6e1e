"""Content Credentials (C2PA): a signed statement in a file that it is AI-made, for those who have a certificate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from mggtalk.errors import MediaError, OptionError
from mggtalk.media.files import PathLike, check_readable
from mggtalk.media.provenance import SOURCE_TYPE, read_mark
from mggtalk.runtime.files import whole_file

KINDS = (".mp4", ".mov", ".m4a", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".wav", ".mp3", ".flac")
"""Endings of the files of this package that can hold a signed statement."""

INSTALL = "Install it: pip install 'mggtalk[sign]'."


class Credentials(NamedTuple):
    """What a signed statement in a file says."""

    signer: str  # common name in the certificate
    intact: bool  # whether the file is as it was when it was signed
    made_by: str  # the program that claims to have made it


def sign(path: PathLike, certificate: PathLike, key: PathLike) -> None:
    """Add a signed statement that a file is AI-made. The file is replaced when the signed one is complete.

    Args:
        path: A video, still or recording that this package made and marked.
        certificate: PEM file: the signer's certificate (its extended key usage allows e-mail protection or document
            signing), then those of the authorities up to the root, which is left out.
        key: PEM file with the signer's private key, without a password: P-256 (ES256) or another that C2PA allows.

    Raises:
        OptionError: If ``c2pa-python`` is not installed, or certificate or key cannot be used.
        MediaError: If the file cannot hold a statement, or does not say that this package made it.
    """
    file = check_readable(path, "file")
    if file.suffix.lower() not in KINDS:
        kinds = ", ".join(KINDS)
        raise MediaError(f"A {file.suffix or 'nameless'} file cannot be signed.", f"Sign one of these: {kinds}.")
    mark = read_mark(file)
    if mark is None:
        raise MediaError(f"{str(path)!r} carries no mark of MGGTalk.", "Sign files that it made.")
    chain, secret = (_read_pem(name, what) for name, what in ((certificate, "certificate"), (key, "key")))
    try:
        import c2pa
    except ImportError as error:
        raise OptionError("Signing needs the package c2pa-python.", INSTALL) from error
    try:
        algorithm = getattr(c2pa.C2paSigningAlg, _algorithm(secret).upper())
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain.encode(), secret.encode(), None))
        with c2pa.Builder(_manifest(file, mark)) as builder, whole_file(file) as partial:
            builder.sign_file(file, partial, signer)
    except (c2pa.C2paError, ValueError) as error:
        brief = str(error).splitlines()[0][:160]
        raise OptionError(f"This certificate and key cannot sign ({brief}).", "See docs/api.md, 'Signing'.") from error


def read_credentials(path: PathLike) -> Credentials | None:
    """Read the signed statement of a file.

    Returns:
        None if there is none, or if ``c2pa-python`` is not installed.
    """
    file = check_readable(path, "file")
    if file.suffix.lower() not in KINDS:
        return None
    try:
        import c2pa
    except ImportError:
        return None
    try:
        with c2pa.Reader(file) as reader:
            report = json.loads(reader.json())
    except c2pa.C2paError:
        return None
    manifest = report["manifests"][report["active_manifest"]]
    signature = manifest.get("signature_info", {})
    broken = [status["code"] for status in report.get("validation_status", []) if status["code"] not in UNKNOWN_ROOT]
    made_by = (manifest.get("claim_generator_info") or [{}])[0].get("name", "unknown")
    name = signature.get("common_name") or signature.get("issuer") or "unknown"
    return Credentials(str(name), not broken, str(made_by))


UNKNOWN_ROOT = ("signingCredential.untrusted",)
"""Codes of C2PA that speak of the authority behind a signature, not of the file: no list of authorities is asked."""


def _manifest(file: Path, mark: str) -> str:
    """The statement as C2PA's JSON: made by a trained model, and the mark's text."""
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "description": mark}
    return json.dumps(
        {
            "claim_generator_info": [{"name": "MGGTalk"}],
            "title": file.name,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        }
    )


def _algorithm(secret: str) -> str:
    """C2PA's name of the signature that a private key makes.

    Raises:
        ValueError: If the key is of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(secret.encode(), password=None)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[key.key_size]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError("a key of this kind is not in C2PA's list")


def _read_pem(path: PathLike, what: str) -> str:
    """Text of a PEM file."""
    text = check_readable(path, what, 1.0).read_bytes().decode("ascii", "replace")
    if "-----BEGIN" not in text:
        raise OptionError(f"{str(path)!r} is no PEM file.", f"Give the {what} as text that begins with -----BEGIN.")
    return text
