"""The page on which people judge: a few plain forms, served on loopback.

The page works by keyboard alone, shows any text literally and loads nothing from a network. Every verdict is a form
answered by a redirect, so that a reload, the back button or a second tab can neither repeat nor lose one, and the
browser holds nothing that a restart could forget. aiohttp is installed anyway: `datasets` and `lightning` need it.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ecomgpt.common.errors import UserError
from ecomgpt.compare.pairs import Pair
from ecomgpt.compare.verdicts import Verdicts, clean_name
from ecomgpt.reporting.text import clip, visible

TEMPLATES = Path(__file__).parent / "templates"
STATIC = {"style.css": "text/css", "keys.js": "text/javascript"}
LOOPBACK = "127.0.0.1"
HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
"""Any port: a forwarded one (`ssh -L`) has another number than ours."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make browsers hide the Origin of our own forms.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
BUTTONS = ("first", "tie", "second")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Page:
    """What is judged, and how it is shown.

    Attributes:
        pairs: Those whose answers differ, in their order.
        verdicts: Where verdicts go.
        seed: Decides whose answer stands first.
        reference: Whether the right answer is shown.
        longest: Characters of a text that are shown; of longer ones the middle is left out, and the page says so.
        secret: A part of the address, so that other users of this machine can't open the page.
    """

    pairs: Sequence[Pair]
    verdicts: Verdicts
    seed: int
    reference: bool
    longest: int
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def app(self) -> web.Application:
        """The web application."""
        app = web.Application(middlewares=[guard, self.polite], client_max_size=64 * 1024)
        root = f"/{self.secret}/"
        app.router.add_get(root, self.start)
        app.router.add_get(f"{root}judge", self.judge)
        app.router.add_post(f"{root}verdict", self.verdict)
        app.router.add_post(f"{root}undo", self.undo)
        for name in STATIC:
            app.router.add_get(f"{root}{name}", static)
        return app

    async def start(self, request: web.Request, wrong: str = "") -> web.Response:
        """Asks for a name, and offers those that are known."""
        known = [(name, self._done(name)) for name in self.verdicts.annotators]
        return self._page("start", 400 if wrong else 200, known=known, total=len(self.pairs), wrong=wrong)

    async def judge(self, request: web.Request) -> web.Response:
        """The first row that the annotator has not judged."""
        annotator = self._annotator(request.query.get("name", ""))
        if annotator is None:
            return await self.start(request, "A name has 1 to 60 visible characters.")
        given = self.verdicts.of(annotator)
        pair = next((pair for pair in self.pairs if pair.key not in given), None)
        state: dict[str, Any] = {"annotator": annotator, "done": self._done(annotator), "total": len(self.pairs)}
        if pair is None:
            return self._page("done", **state)
        row, answers = pair.a.row, [pair.a.text, pair.b.text]
        if pair.first(self.seed, annotator) == "b":
            answers.reverse()
        return self._page(
            "judge",
            **state,
            question=clip(row.prompt.text.strip(), self.longest),
            answers=[clip(text, self.longest) for text in answers],
            title=pair.title,
            row=pair.key,
            target=clip(row.target, self.longest) if self.reference else None,
            language=row.language,
        )

    async def verdict(self, request: web.Request) -> web.StreamResponse:
        """Keeps a verdict and goes on."""
        form = await request.post()
        annotator, better = self._annotator(str(form.get("name", ""))), form.get("better")
        pair = next((pair for pair in self.pairs if pair.key == form.get("row")), None)
        if annotator is None or pair is None or better not in BUTTONS:
            text = "This is no verdict on a row of this comparison. Go back and reload the page."
            raise web.HTTPBadRequest(text=text)
        first = pair.first(self.seed, annotator)
        verdict = "tie" if better == "tie" else "win" if (better == "first") == (first == "a") else "loss"
        self.verdicts.add(annotator, pair, first, verdict)
        raise self._next(annotator)

    async def undo(self, request: web.Request) -> web.StreamResponse:
        """Takes the last verdict back, and shows its row again."""
        annotator = self._annotator(str((await request.post()).get("name", "")))
        if annotator is None:
            raise web.HTTPBadRequest(text="No name was given. Go back and reload the page.")
        self.verdicts.undo(annotator)
        raise self._next(annotator)

    def _annotator(self, name: str) -> str | None:
        clean = clean_name(name)
        return self.verdicts.known(clean) if clean else None

    def _done(self, annotator: str) -> int:
        given = self.verdicts.of(annotator)
        return sum(pair.key in given for pair in self.pairs)

    def _next(self, annotator: str) -> web.HTTPException:
        return web.HTTPSeeOther(f"judge?name={quote(annotator, safe='')}")

    @web.middleware
    async def polite(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Errors as a page."""
        try:
            return await handler(request)
        except web.HTTPError as error:
            lost = "There is nothing here. Open the address that the command printed last."
            return self._page("error", error.status, message=lost if error.status == 404 else error.text)
        except OSError as error:
            text = f"The verdict could not be written: {error.strerror}. It is not kept; make room and reload the page."
            return self._page("error", 500, message=text)

    def _page(self, name: str, status: int = 200, **content: Any) -> web.Response:
        text = _environment().get_template(f"{name}.html.j2").render(content, root=f"/{self.secret}/")
        return web.Response(text=text, content_type="text/html", status=status)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers only what this page's own address asks.

    A hostile site can point its own name at 127.0.0.1 (DNS rebinding): then the browser sends that name as Host. Or it
    can send a form here (CSRF): then the browser sends the site as Origin.
    """
    hosts, origins = request.headers.getall("Host", []), request.headers.getall("Origin", [])
    response: web.StreamResponse
    if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
        response = web.Response(status=421, text="This page answers to 127.0.0.1 and localhost only.\n")
    elif request.method not in ("GET", "HEAD") and origins != [f"http://{hosts[0]}"]:
        response = web.Response(status=403, text="Verdicts are taken from this page's own forms only.\n")
    else:
        try:
            response = await handler(request)
        except web.HTTPRedirection as redirect:
            response = web.Response(status=redirect.status, headers={"Location": redirect.headers["Location"]})
    response.headers.update(HEADERS)
    return response


async def static(request: web.Request) -> web.Response:
    """The style and the script."""
    name = request.path.rpartition("/")[2]
    return web.Response(text=(TEMPLATES / name).read_text("utf-8"), content_type=STATIC[name])


def serve(page: Page, port: int | None) -> None:
    """Shows the page until Ctrl-C.

    Args:
        page: What is shown.
        port: Where; None takes a free port.

    Raises:
        UserError: If the port is taken.
    """
    try:
        listener = socket.create_server((LOOPBACK, port or 0))  # From now on a browser waits for us.
    except OSError as error:
        raise UserError(
            f"compare.port: cannot listen on port {port} ({error.strerror}); give another, or null for a free one"
        ) from None
    number = listener.getsockname()[1]
    address = f"http://{LOOPBACK}:{number}/{page.secret}/"
    print(f"Open {address} in a browser on this machine; Ctrl-C ends and keeps every verdict.", flush=True)
    web.run_app(page.app(), sock=listener, print=None, access_log=None, shutdown_timeout=1.0)
    print()


def _environment() -> Environment:
    """Templates in which every printed text is made visible (control characters, direction marks), then escaped."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
