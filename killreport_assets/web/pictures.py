"""Drawings of types in place of EVE's image server: for the sandbox, and for KILLREPORT_IMAGE_URL=none."""

from html import escape

from starlette.requests import Request
from starlette.responses import Response

DAY_SECONDS = 86_400
_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" \
fill="hsl({hue} 30% 32%)"/><path d="{shape}" fill="hsl({hue} 40% 70%)"/><text x="32" y="60" font-size="11" \
font-family="sans-serif" text-anchor="middle" fill="#fff">{text}</text></svg>"""
_SHAPES = (
    "M32 8 50 46H14Z",
    "M8 30 32 14 56 30 32 46Z",
    "M14 14H50V44H14Z",
    "M32 8 54 24 46 46H18L10 24Z",
)


def svg_of(type_id: int) -> str:
    """Draw a type: its shape and colour follow from its id."""
    return _SVG.format(hue=type_id * 47 % 360, shape=_SHAPES[type_id % len(_SHAPES)], text=escape(str(type_id)))


async def drawing(request: Request) -> Response:
    """Return the drawing of a type."""
    headers = {"Cache-Control": f"public, max-age={DAY_SECONDS}"}
    return Response(svg_of(request.path_params["type_id"]), media_type="image/svg+xml", headers=headers)
