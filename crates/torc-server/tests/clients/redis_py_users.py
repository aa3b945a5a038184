"""redis-py with user names and passwords: logins, rights, a change of them, and a restart with users in files."""

import os

import redis
from redis import exceptions

from _harness import LIMIT_S, equal, holds, main, serve


def connect(server, **options):
    options.setdefault("socket_timeout", LIMIT_S)
    return redis.Redis(port=server.port, decode_responses=True, **options)


def refused(kind, action):
    try:
        action()
    except kind as error:
        return str(error)
    raise AssertionError(f"expected {kind.__name__}")


def users_log_in_and_do_what_they_may():
    for protocol in (2, 3):
        with serve(2) as server:
            admin = connect(server, protocol=protocol)
            rules = {"enabled": True, "passwords": ["+secret"], "categories": ["+@read", "+@connection"], "commands": ["+set"]}
            holds(admin.acl_setuser("app", keys=["app:*"], channels=["news:*"], **rules), "the user is made")
            equal(sorted(admin.acl_users()), ["app", "default"])
            user = admin.acl_getuser("app")
            # A text in its older versions, a list in newer ones.
            equal((user["enabled"], "~app:*" in user["keys"]), (True, True))
            refused(exceptions.AuthenticationError, connect(server, username="app", password="wrong", protocol=protocol).ping)
            app = connect(server, username="app", password="secret", protocol=protocol)
            equal((app.client_info()["user"], app.set("app:1", "x"), app.get("app:1")), ("app", True, "x"))
            text = refused(exceptions.NoPermissionError, lambda: app.get("other"))
            equal(text, "No permissions to access a key")
            text = refused(exceptions.NoPermissionError, lambda: app.delete("app:1"))
            holds("'del' command" in text, text)
            pipeline = app.pipeline(transaction=False)
            pipeline.get("app:1").get("other").get("app:1")
            replies = pipeline.execute(raise_on_error=False)
            equal((replies[0], type(replies[1]), replies[2]), ("x", exceptions.NoPermissionError, "x"))
            entries = admin.acl_log()
            equal({entry["reason"] for entry in entries}, {"auth", "key", "command"})
            holds(admin.acl_log_reset() and admin.acl_log() == [], "the log is empty")
            equal(admin.acl_deluser("app"), 1)
            refused(exceptions.RedisError, lambda: connect(server, username="app", password="secret").ping())


def rights_change_while_clients_work():
    with serve(2) as server:
        admin = connect(server)
        admin.acl_setuser("app", enabled=True, nopass=True, keys=["*"], commands=["+get", "+set"], categories=["+@connection"])
        clients = [connect(server, username="app", password="x") for _ in range(8)]
        for number in range(20):
            holds(all(client.set(f"key:{client_number}", number) for client_number, client in enumerate(clients)), "they may")
            admin.execute_command("ACL", "SETUSER", "app", "-set")
            for client in clients:
                refused(exceptions.NoPermissionError, lambda client=client: client.set("key", "x"))
            admin.execute_command("ACL", "SETUSER", "app", "+set")


def users_in_files_survive_a_restart():
    with serve(2) as first:
        path = os.path.join(first.directory.name, "users.acl")
        with open(path, "w", encoding="ascii") as file:
            file.write("user default on nopass ~* &* +@all\nuser app on >secret ~app:* +@all\n")
        with serve(2, "--aclfile", path) as server:
            admin = connect(server)
            equal(connect(server, username="app", password="secret").set("app:1", "x"), True)
            admin.acl_setuser("other", enabled=True, passwords=["+second"], keys=["*"], categories=["+@all"])
            holds(admin.acl_save(), "users are saved")
        with serve(2, "--aclfile", path) as server:
            equal(connect(server, username="other", password="second").set("x", "y"), True)
            with open(path, "a", encoding="ascii") as file:
                file.write("user broken +nothing\n")
            text = refused(exceptions.ResponseError, connect(server).acl_load)
            holds("no change to the previously active ACL rules" in text, text)
            equal(sorted(connect(server).acl_users()), ["app", "default", "other"])


main([users_log_in_and_do_what_they_may, rights_change_while_clients_work, users_in_files_survive_a_restart])
