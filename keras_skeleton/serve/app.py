"""The server of the local page: what it answers, and whom.

It answers this computer only. A program on another site that the user has open must not reach it
either: the name of the host must be this computer's (DNS rebinding), every address begins with a
random key, and what changes anything must come from the page itself (its `Origin`). The page may
load nothing from elsewhere; the attention page, which has scripts inside, runs in a sandbox.

Starlette does the serving, with uvicorn: 3 MB in 7 packages, measured in November 2026. FastAPI (12
MB, 15 packages) adds the validation of JSON, and nothing is sent as JSON; Gradio (258 MB, 52
packages) brings its own page, which has no timeline, and fetches fonts from the network. A file is
sent as the plain body of a request, so that it goes to the disk piece by piece, without
python-multipart.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
)
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keras_skeleton.serve.answer import FILES, describe_answer
from keras_skeleton.serve.jobs import Job, Jobs, LabelFile
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import plain_name, size_text
from keras_skeleton.utils.templates import render

HERE = Path(__file__).parent
HOSTS = ("127.0.0.1", "localhost")
SAFE = ("GET", "HEAD")
LONGEST_NAME = 120  # bytes of a file name that are kept
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# An attention page is one file with scripts in it, so it gets an origin of its own.
ATTENTION_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",  # films do not stay in the browser's cache
}


@dataclass(frozen=True)
class About:
    """What the page says about the network and the files that it takes.

    Attributes:
        name: Name of the network.
        classes: Its classes.
        colours: A color for each class, in turn.
        films: Endings of film files, such as `".mp4"`.
        clips: Endings of key-point files.
        calibrated: Whether the network says when it is unsure.
        layouts: Joint layouts to choose from for key-point files.
        notes: Restrictions, for example that films cannot be read.
        command: How the server is started again.
    """

    name: str
    classes: Sequence[str]
    colours: Sequence[str]
    films: Sequence[str]
    clips: Sequence[str]
    calibrated: bool = True
    layouts: Sequence[str] = ()
    notes: Sequence[str] = ()
    command: str = "serve"


def create_app(
    label: LabelFile,
    about: About,
    key: str | None = None,
    most_bytes: int = 2000 << 20,
    most_results: int = 20,
) -> Starlette:
    """Creates the ASGI application. Uploads and results are in a temporary folder, which is deleted
    when the application stops.

    Args:
        label: Labels one file.
        about: What the page says.
        key: First part of all addresses; by default random. `app.state.key` holds it.
        most_bytes: Largest size of a file.
        most_results: Number of results that are kept.

    Example:
        >>> from keras_skeleton.serve.app import About, create_app
        >>> about = About("net", ["wave"], ["#0072B2"], [".mp4"], [".npy"])
        >>> app = create_app(lambda *_: None, about, key="abc")
        >>> app.state.key
        'abc'
    """
    key = key or secrets.token_urlsafe(24)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        folder = Path(tempfile.mkdtemp(prefix="keras-skeleton-serve-")).resolve()
        app.state.jobs = Jobs(label, folder, most_results)
        try:
            yield
        finally:
            app.state.jobs.close()

    routes = [
        Route("/", _page),
        Route("/page.css", _asset),
        Route("/page.js", _asset),
        Route("/jobs", _list),
        Route("/jobs", _upload, methods=["POST"]),
        Route("/jobs/{job}", _show),
        Route("/jobs/{job}", _remove, methods=["DELETE"]),
        Route("/jobs/{job}/files/{kind}", _file),
        Route("/jobs/{job}/attention/{part}", _attention),
    ]
    app = Starlette(
        routes=[Mount(f"/{key}", routes=routes)],
        middleware=[Middleware(Guard, key=key)],
        lifespan=lifespan,
    )
    app.state.key, app.state.about, app.state.most_bytes = key, about, most_bytes
    return app


class Guard:
    """Refuses what does not come from the page, and sets the headers of every answer.

    Args:
        app: The application behind it.
        key: First part of all addresses.

    Example:
        >>> from starlette.middleware import Middleware
        >>> from keras_skeleton.serve.app import Guard
        >>> Middleware(Guard, key="abc").cls is Guard
        True
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app, self.key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        app = self.app if refusal is None else refusal
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _hostname(host) not in HOSTS:
            return _error(403, f"this server answers at {' and '.join(HOSTS)} only")
        first = scope["path"].removeprefix("/").partition("/")[0]
        if not secrets.compare_digest(first.encode(), self.key.encode()):
            return PlainTextResponse("Open the address that the command has printed.\n", 404)
        if scope["method"] not in SAFE and headers.get("origin") != f"http://{host}":
            return _error(403, "this request did not come from the page")
        return None


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)


# ---------------------------------------------------------------- the page


async def _page(request: Request) -> Response:
    state = request.app.state
    about: About = state.about
    if not request.url.path.endswith("/"):
        return _error(404, "the address ends with a slash")
    words = {
        "name": about.name,
        "classes": about.classes,
        "colours": [about.colours[k % len(about.colours)] for k in range(len(about.classes))],
        "films": about.films,
        "clips": about.clips,
        "layouts": about.layouts,
        "calibrated": about.calibrated,
        "notes": about.notes,
        "command": about.command,
        "most_bytes": state.most_bytes,
        "most_text": size_text(state.most_bytes),
    }
    return HTMLResponse(render(HERE / "page.html", **words))


async def _asset(request: Request) -> Response:
    return FileResponse(HERE / request.url.path.rpartition("/")[2])


# ---------------------------------------------------------------- jobs


def _brief(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "share": round(job.share, 4),
        "text": job.text,
        "error": job.error,
        "seconds": round(job.seconds, 1),
        "summary": job.answer.summary if job.answer else "",
    }


async def _list(request: Request) -> Response:
    jobs: Jobs = request.app.state.jobs
    return JSONResponse([_brief(job) for job in jobs.all()])


def _job(request: Request) -> Job | None:
    jobs: Jobs = request.app.state.jobs
    return jobs.get(request.path_params["job"])


async def _show(request: Request) -> Response:
    job = _job(request)
    if job is None:
        return _error(404, "this result is no longer there")
    answer = describe_answer(job.answer) if job.answer else None
    return JSONResponse({**_brief(job), "answer": answer})


async def _remove(request: Request) -> Response:
    request.app.state.jobs.remove(request.path_params["job"])
    return JSONResponse({})


def tame_name(name: str) -> str:
    r"""Makes a file name from elsewhere safe in any folder: letters, digits, and few signs.

    Example:
        >>> from keras_skeleton.serve.app import tame_name
        >>> tame_name("../../etc/pass wd.mp4"), tame_name("C:\\x\\a%03d?.avi"), tame_name("..")
        ('.._.._etc_pass wd.mp4', 'C__x_a_03d_.avi', '_..')
    """
    plain = re.sub(r"[^\w .()+-]", "_", plain_name(name))
    stem, suffix = Path(plain).stem, Path(plain).suffix[:12]
    stem = stem.encode()[:LONGEST_NAME].decode(errors="ignore").strip()
    return plain_name(stem + suffix or "_")


async def _upload(request: Request) -> Response:
    state = request.app.state
    about: About = state.about
    jobs: Jobs = state.jobs
    given = request.query_params.get("name", "")
    name, suffix = tame_name(given), Path(given).suffix.lower()
    if suffix not in (*about.films, *about.clips):
        return _error(
            415,
            f"{name}: neither a film ({', '.join(about.films)}) nor a key-point file "
            f"({', '.join(about.clips)})",
        )
    layout = request.query_params.get("layout") or None
    if layout is not None and layout not in about.layouts:
        return _error(422, "unknown joint layout")
    too_large = _error(
        413,
        f"{name}: larger than {size_text(state.most_bytes)}; cut the film, or start the server "
        "with a larger --most-mb",
    )
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > state.most_bytes:
        return too_large
    try:
        number, path = jobs.new_file(name)
    except UserError as error:
        async for _ in request.stream():  # a browser reads no answer before it has sent all
            pass
        return _error(503, str(error))
    kept = False
    try:
        size = 0
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > state.most_bytes:
                    return too_large
                file.write(chunk)
        job = jobs.submit(number, path, name, layout)
        kept = True
        return JSONResponse(_brief(job), 201)
    except ClientDisconnect:
        return _error(400, "the upload was interrupted")
    except OSError as error:
        return _error(507, f"{name}: cannot be stored: {error.strerror}")
    finally:
        if not kept:
            jobs.discard(number)


# ---------------------------------------------------------------- results


async def _file(request: Request) -> Response:
    job, kind = _job(request), request.path_params["kind"]
    path = job.answer.files.get(kind) if job and job.answer else None
    if job is None or path is None or not path.is_file():
        return _error(404, "this result is no longer there")
    name = Path(job.name).stem + FILES[kind]
    shown = "inline" if kind == "overlay" else "attachment"
    return FileResponse(path, filename=name, content_disposition_type=shown)


async def _attention(request: Request) -> Response:
    job, number = _job(request), request.path_params["part"]
    parts = job.answer.parts if job and job.answer else ()
    path = {str(i): part.page for i, part in enumerate(parts)}.get(number)
    if path is None or not path.is_file():
        return PlainTextResponse("This result is no longer there.", 404)
    return FileResponse(
        path, media_type="text/html", headers={"Content-Security-Policy": ATTENTION_POLICY}
    )
