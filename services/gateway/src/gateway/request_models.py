"""The public request bodies: judged here, and turned into what the internal APIs take."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from service_runtime.problems import Problem
from transfer_contract import http
from transfer_contract.http import FieldError, ProblemCode
from transfer_contract.identity import is_treasury
from transfer_contract.transfers import Scenario, TransferOrder

from gateway.money import AMOUNT_PATTERN, to_minor
from gateway.parameters import AccountId, Amount, CurrencyCode, NotBlank, PlainText

AmountText = Annotated[Amount, Field(json_schema_extra={"pattern": AMOUNT_PATTERN})]


class RequestBody(BaseModel):
    """Unknown fields and values of another type are refused, never converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NewTransfer(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "source_account": "alice",
                "destination_account": "bob",
                "amount": "25.00",
                "currency": "EUR",
                "reference": "rent",
            }
        }
    )

    source_account: AccountId
    destination_account: AccountId
    currency: CurrencyCode  # before the amount, which is judged by its digits
    amount: AmountText
    reference: Annotated[PlainText, Field(max_length=140)] | None = Field(default=None)
    scenario: Annotated[Scenario, Field(strict=False)] | None = Field(
        default=None, description="A demo fault, only where they are switched on"
    )

    @field_validator("destination_account")
    @classmethod
    def _differs_from_source(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("source_account"):
            raise ValueError("must differ from source_account")
        return value

    @field_validator("amount")
    @classmethod
    def _is_above_zero(cls, value: str, info: ValidationInfo) -> str:
        currency = info.data.get("currency")
        if currency is not None and to_minor(value, currency) == 0:
            raise ValueError("must be above zero")
        return value

    def to_order(self, transfer_id: str) -> TransferOrder:
        return TransferOrder(
            transfer_id=transfer_id,
            source_account=self.source_account,
            destination_account=self.destination_account,
            amount_minor=to_minor(self.amount, self.currency),
            currency=self.currency,
            reference=self.reference,
            scenario=self.scenario,
        )


class NewAccount(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={"example": {"id": "dave", "owner": "Dave", "currency": "EUR", "opening_balance": "100.00"}}
    )

    id: AccountId
    owner: Annotated[PlainText, NotBlank, Field(max_length=100)]
    currency: CurrencyCode
    opening_balance: AmountText | None = Field(
        default=None, description="Arrives by a transfer from the currency's treasury; `0` is the same as none"
    )

    @field_validator("opening_balance")
    @classmethod
    def _fits_currency(cls, value: str | None, info: ValidationInfo) -> str | None:
        currency = info.data.get("currency")
        if value is not None and currency is not None:
            to_minor(value, currency)
        return value

    def to_internal(self) -> http.NewAccount:
        return http.NewAccount(
            id=self.id,
            owner=self.owner,
            currency=self.currency,
            opening_balance_minor=to_minor(self.opening_balance or "0", self.currency),
        )


def refuse_treasury(field: str, account_id: str) -> None:
    """Treasuries may go below zero, so only the system itself moves money from and to them."""
    if is_treasury(account_id):
        detail = "Treasury accounts can't be named here."
        raise Problem(ProblemCode.TREASURY_NOT_ALLOWED, detail, [FieldError(field=field, detail=detail)])
