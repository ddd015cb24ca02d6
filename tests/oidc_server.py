"""An OpenID Connect provider over HTTP: discovery, authorization code with PKCE, an ID token signed with RS256.

It signs in whoever comes as the user it is told, checks what a client must send, and lies where it is told to.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt  # noqa: TID253
from joserfc.jwk import RSAKey  # noqa: TID253

CLIENT, SECRET = "clio-review", "the client's secret"


@dataclass
class Provider:
    """A running provider. `lies` are claims of the ID token that replace the true ones."""

    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "u1", "groups": []})
    lies: dict[str, Any] = field(default_factory=dict)
    signs_with: RSAKey | None = None
    has_secret: bool = True
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = RSAKey.generate_key(2048, parameters={"kid": "k1", "alg": "RS256", "use": "sig"})
        provider = self

        class Handler(_Handler):
            of = provider

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def end(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def code(self, asked: dict[str, str]) -> str:
        """A code for a request to sign in."""
        assert (
            asked["response_type"] == "code" and asked["client_id"] == CLIENT and "openid" in asked["scope"]
        )
        assert asked["code_challenge_method"] == "S256" and asked["nonce"] and asked["state"]
        self.asked.append(asked)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return code

    def token(self, sent: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Tokens for a code, once; None where the client, its code or its verifier is not right."""
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        begun = self.codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        is_known = (
            authorization == f"Basic {expected}" if self.has_secret else sent.get("client_id") == CLIENT
        )
        if begun is None or begun["code_challenge"] != challenge or not is_known:
            return None
        if sent.get("redirect_uri") != begun["redirect_uri"]:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        claims |= self.claims | self.lies
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.signs_with or self.key)
        return {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": signed}


class _Handler(BaseHTTPRequestHandler):
    of: Provider

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/.well-known/openid-configuration":
            self._json(200, self.of.metadata())
        elif path == "/jwks":
            self._json(200, {"keys": [self.of.key.as_dict(private=False)]})
        elif path == "/authorize":
            back = urlencode({"code": self.of.code(query), "state": query["state"]})
            self.send_response(302)
            self.send_header("location", f"{query['redirect_uri']}?{back}")
            self.send_header("content-length", "0")
            self.end_headers()
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        sent = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        found = self.of.token(sent, self.headers.get("authorization", ""))
        self._json(200 if found else 400, found or {"error": "invalid_grant"})

    def _json(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""
