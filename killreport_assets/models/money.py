"""Amounts of ISK as services give them."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

Cents = Annotated[Decimal, Field(ge=0, lt=10**20), AfterValidator(lambda amount: round(amount, 2))]
"""ISK to the cent, as the tables hold it."""
