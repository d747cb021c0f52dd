"""A stand-in for the hub on the loopback interface: takes what `huggingface_hub` uploads, and remembers it."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """What was asked of it.

    Attributes:
        url: Its address, for HF_ENDPOINT.
        files: Path in the repository to contents.
        created: Bodies of the requests that created repositories.
        tokens: Authorisation headers, each once.
        refuse: Status code of every answer, to play a hub that says no.
    """

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.refuse: int | None = None
        self.blobs: dict[str, bytes] = {}


@contextmanager
def serve() -> Iterator[Hub]:
    """Runs the stand-in."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _answer(self, value: Any, code: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_PUT(self) -> None:
            hub.blobs[self.path.rsplit("/", 1)[-1]] = self._body()
            self._answer({})

        def do_GET(self) -> None:
            if hub.refuse:
                return self._answer({"error": "not yours"}, hub.refuse)
            self._answer({"id": "owner/name", "sha": "0" * 40, "private": True})

        def do_POST(self) -> None:
            body = self._body()
            hub.tokens.add(self.headers.get("Authorization"))
            if hub.refuse:
                return self._answer({"error": "not yours"}, hub.refuse)
            if self.path == "/api/repos/create":
                hub.created.append(json.loads(body))
                return self._answer({"url": f"{hub.url}/owner/name", "id": "owner/name"})
            if self.path == "/api/validate-yaml":
                return self._answer({"errors": [], "warnings": []})
            if "/preupload/" in self.path:
                modes = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(body)["files"]
                ]
                return self._answer({"files": modes})
            if self.path.endswith("/info/lfs/objects/batch"):
                objects = [
                    {**item, "actions": {"upload": {"href": f"{hub.url}/lfs/{item['oid']}"}}}
                    for item in json.loads(body)["objects"]
                ]
                return self._answer({"objects": objects, "transfer": "basic"})
            if re.search(r"/commit/main$", self.path):
                for line in body.decode().strip().split("\n"):
                    item = json.loads(line)
                    if item["key"] == "file":
                        hub.files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
                    elif item["key"] == "lfsFile":
                        hub.files[item["value"]["path"]] = hub.blobs[item["value"]["oid"]]
                return self._answer(
                    {
                        "success": True,
                        "commitOid": "1" * 40,
                        "commitUrl": f"{hub.url}/owner/name/commit/{'1' * 40}",
                        "hookOutput": "",
                    }
                )
            return self._answer({"error": f"the stand-in does not know {self.path}"}, 404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
