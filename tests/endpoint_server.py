"""A real HTTP server on loopback that answers like a chat endpoint, or misbehaves as a test tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-0123456789abcdef-never-to-be-seen"


@dataclass
class Answer:
    """What the server sends: a completion around ``text``, unless ``body`` says otherwise."""

    text: str = "fine"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    finish: str = "stop"
    refusal: str | None = None
    usage: dict[str, int] | None = field(
        default_factory=lambda: {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    )
    delay: float = 0.0
    content_type: str = "application/json"
    length: int | None = None
    """A Content-Length that is not true."""

    def bytes(self) -> bytes:
        if self.body is not None:
            return self.body.encode()
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        completion = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "served-model",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            "usage": self.usage,
        }
        return json.dumps(completion, ensure_ascii=False).encode()


def error(status: int, message: str, code: str = "", **headers: str) -> Answer:
    """An error as endpoints report it."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": code}})
    return Answer(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Served:
    """The running server and what it saw."""

    url: str
    behave: Callable[[dict[str, Any], int], Answer]
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    most_at_once: int = 0
    now: int = 0

    def prompts(self) -> list[str]:
        """The last message of each request."""
        return [request["messages"][-1]["content"] for request in self.requests]


@contextmanager
def serve(behave: Callable[[dict[str, Any], int], Answer]) -> Iterator[Served]:
    """Serves in a thread, at a free port.

    Args:
        behave: The request's body and its number, from 0, to the answer.
    """
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(served.requests)
                served.requests.append(body)
                served.times.append(time.monotonic())
                served.keys.add(self.headers.get("Authorization", ""))
                served.now += 1
                served.most_at_once = max(served.most_at_once, served.now)
            try:
                answer = served.behave(body, number)
                time.sleep(answer.delay)
            finally:
                with lock:
                    served.now -= 1
            data = answer.bytes()
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(data) if answer.length is None else answer.length))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # The client has given up.
            if answer.length is not None:
                self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            pass  # A client that was killed.

    server = Server(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_address[1]}/v1", behave)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def labeller(body: dict[str, Any]) -> str:
    """A labeller of simple mind: it takes the first word of the text and the first label of each set, as the schema
    asks."""
    text = body["messages"][-1]["content"]
    word = text.split()[0] if " " in text else text[:2]
    schema = body["response_format"]["json_schema"]["schema"]

    def fill(schema: dict[str, Any]) -> Any:
        if schema["type"] == "array":
            return [fill(schema["items"])]
        if schema["type"] == "string":
            return schema.get("enum", [word])[0]
        return {
            name: "What is it?" if name == "question" else fill(value) for name, value in schema["properties"].items()
        }

    return json.dumps(fill(schema), ensure_ascii=False)
