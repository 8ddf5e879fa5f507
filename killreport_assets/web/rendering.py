"""How pages are rendered: templates, what all of them know, pictures, and the errors that visitors read."""

from collections.abc import Callable
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import jinja2
from sqlalchemy import exc
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from killreport_assets.base.text import printable
from killreport_assets.settings import Settings
from killreport_assets.web import charts
from killreport_assets.web.formats import FILTERS

PERSONAL = ("/me", "/sign-in", "/callback", "/characters/", "/sign-out")
"""Addresses of pages about those who have signed in; nothing of them is cached."""
SANDBOX_PICTURES = "/images"
"""Where our own drawings are, for the sandbox and for KILLREPORT_IMAGE_URL=none."""


class Problem(Exception):
    """An error for the visitor to read; the text says what to do."""

    def __init__(self, title: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.title, self.text, self.status = title, text, status


def environment_with(picture_of: Callable[[int | None, int], str]) -> jinja2.Environment:
    """The templates, with a function that returns the address of a type's picture in a size."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("killreport_assets.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {name: FILTERS[name] for name in ("isk", "number")}
    environment.globals |= {"WEEKDAYS": charts.WEEKDAYS, "picture_of": picture_of}
    return environment


def stylesheet() -> str:
    """The style of all pages."""
    return (resources.files("killreport_assets.web") / "static" / "style.css").read_text()


class Rendering:
    """Renders templates; one object serves all threads."""

    def __init__(self, settings: Settings) -> None:
        self._is_sandbox = settings.services.origin == "sandbox"
        own = self._is_sandbox or settings.web.image_url == "none"
        self._pictures = SANDBOX_PICTURES if own else str(settings.web.image_url)
        self.environment = environment_with(self._picture_of)
        self._templates = Jinja2Templates(env=self.environment)

    @property
    def picture_origin(self) -> str:
        """From where pictures are loaded, for the Content-Security-Policy."""
        parts = urlsplit(self._pictures)
        return f"{parts.scheme}://{parts.netloc}" if parts.scheme else "'self'"

    def page(self, request: Request, template: str, status: int = 200, **facts: Any) -> Response:
        """Render a page."""
        return self._templates.TemplateResponse(request, template, {"is_sandbox": self._is_sandbox} | facts, status)

    def problem(self, request: Request, problem: Exception) -> Response:
        """Return the page of an error."""
        shown = problem if isinstance(problem, Problem) else explained(problem)
        back = "/me" if request.url.path.startswith(PERSONAL) else "/"
        return self.page(request, "problem.html", shown.status, title=shown.title, text=shown.text, back=back)

    def _picture_of(self, type_id: int | None, size: int) -> str:
        asked = next(power for power in (32, 64, 128, 256) if power >= size)
        return f"{self._pictures}/types/{type_id or 0}/icon?size={asked}"


def explained(error: Exception) -> Problem:
    """Say what a visitor may do about an error of the database."""
    if isinstance(error, exc.OperationalError) and "statement timeout" in str(error):
        return Problem("This takes too long", "It was stopped after 5 seconds: ask for less, or try again later.", 503)
    return Problem("The database cannot be reached", "Try again in a minute.", 503)


def _printable(value: object) -> object:
    return printable(value) if type(value) is str else value
