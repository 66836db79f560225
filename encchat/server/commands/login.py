"""Becoming somebody: `register`, `login`, `login_device`, and `forget_device`."""

from __future__ import annotations

from encchat import wire
from encchat.server.command import command
from encchat.server.context import Context


@command("make an account and log in", login=False, cost=20, in_order=True, kind="login")
async def register(context: Context, request: wire.Register) -> wire.LoggedIn:
    """Registration policy and invites are the authenticator's."""
    connection = context.connection
    return context.enter(
        await context.services.auth.register(
            request.user,
            request.password,
            request.invite,
            connection.address,
            connection.device_key,
            request.device_name,
        )
    )


@command("log in by password", login=False, cost=20, in_order=True, kind="login")
async def login(context: Context, request: wire.Login) -> wire.LoggedIn:
    """The connection's device key logs in by itself from now on."""
    connection = context.connection
    return context.enter(
        await context.services.auth.login(
            request.user, request.password, connection.address, connection.device_key, request.device_name
        )
    )


@command("log in by this device's key", login=False, cost=5, in_order=True, kind="login")
async def login_device(context: Context, request: wire.LoginDevice) -> wire.LoggedIn:
    """The channel has proven the key."""
    return context.enter(await context.services.auth.login_device(request.user, context.connection.device_key))


@command("let this device's key log in no more", in_order=True)
async def forget_device(context: Context, request: wire.ForgetDevice) -> None:
    """The connection stays logged in."""
    account = context.account
    await context.services.auth.forget_device(context.device.key)
    await context.services.room_keeper.rotate(account.name)
    context.services.key_watch.changed(account.name)
