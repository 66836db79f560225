"""Who may make an account: what the configuration says, or what an admin has said since."""

from __future__ import annotations

from typing import Any, Final

from attrs import define, evolve, field, frozen

from encchat.server.settings import Settings
from encchat.wire import Registration

_META: Final = "registration"
_POLICIES: Final[dict[str, Registration]] = {"open": "open", "invite": "invite", "closed": "closed"}


@frozen
class _Said:
    """``policy`` was said at run time when the configuration said ``instead_of``."""

    policy: Registration
    instead_of: Registration


@define(eq=False)
class RegistrationPolicy:
    """The latest word counts.

    What an admin said at run time stands, over restarts and reloads, until it is said again or the configuration
    says something else than it did at that moment. ``store`` provides `IStore`.
    """

    _store: Any
    _configured: Registration
    _said: _Said | None = field(init=False, default=None)

    async def load(self) -> None:
        """Take what the store has."""
        self._said = _parsed(await self._store.get_meta(_META) or "")

    async def say(self, policy: Registration) -> None:
        """From now on, and once it is stored over restarts too."""
        await self._store.set_meta(_META, f"{policy} {self._configured}")
        self._said = _Said(policy, self._configured)

    def over(self, configured: Settings) -> Settings:
        """These settings, as they came from the configuration, with the policy that is in force."""
        self._configured = configured.registration
        if self._said is None or self._said.instead_of != configured.registration:
            return configured
        return evolve(configured, registration=self._said.policy)


def _parsed(text: str) -> _Said | None:
    policy, _, instead_of = text.partition(" ")
    if policy not in _POLICIES or instead_of not in _POLICIES:
        return None
    return _Said(_POLICIES[policy], _POLICIES[instead_of])
