"""redis-cli against the real binary: one-shots, standard input, mass insertion, cluster mode, scans."""

from _harness import equal, holds, main, run, serve


def cli(server, *arguments, stdin=None):
    port = server if isinstance(server, int) else server.port
    return run(["redis-cli", "-p", str(port), *arguments], stdin=stdin)


def output(server, *arguments, stdin=None):
    _, printed = cli(server, *arguments, stdin=stdin)
    return printed.rstrip("\n")


def one_shots():
    with serve(2) as server:
        equal(output(server, "ping"), "PONG")
        equal(output(server, "set", "key", "two words"), "OK")
        equal(output(server, "get", "key"), "two words")
        equal(output(server, "--no-raw", "get", "absent"), "(nil)")
        equal(output(server, "--no-raw", "incr", "counter"), "(integer) 1")
        equal(output(server, "--no-raw", "mget", "key", "absent"), '1) "two words"\n2) (nil)')
        holds("not an integer" in output(server, "incr", "key"), "an error is printed")
        equal(output(server, "-x", "set", "from-input", stdin=b"text\n"), "OK")
        equal(output(server, "strlen", "from-input"), "5")
        equal(output(server, "-n", "3", "dbsize"), "0")
        equal(output(server, "-r", "5", "incr", "counter").split("\n"), ["2", "3", "4", "5", "6"])
        equal(output(server, "--csv", "mget", "counter", "key"), '"6","two words"')
        holds("redis_version:7." in output(server, "info", "server"), "INFO is printed")
        equal(output(server, "-3", "--no-raw", "config", "get", "port"), f'1# "port" => "{server.port}"')


def commands_from_standard_input():
    with serve(2) as server:
        printed = output(server, stdin=b"set a 1\nincr a\nmulti\nincr a\nget a\nexec\nget a\n")
        equal(printed.split("\n"), ["OK", "2", "OK", "QUEUED", "QUEUED", "3", "3", "3"])


def password():
    with serve(1, "--requirepass", "secret") as server:
        holds("NOAUTH" in output(server, "get", "key"), "a password is needed")
        equal(output(server, "--no-auth-warning", "-a", "secret", "ping"), "PONG")
        equal(output(server, "--no-auth-warning", "--user", "default", "--pass", "secret", "ping"), "PONG")


def mass_insertion():
    count = 100_000
    requests = b"".join(
        b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%d\r\n" % (len(key), key, len(str(n)), n)
        for n, key in ((n, b"key:%d" % n) for n in range(count))
    )
    for cores in (1, 3):
        with serve(cores) as server:
            printed = output(server, "--pipe", stdin=requests)
            holds(f"errors: 0, replies: {count}" in printed, printed)
            equal(output(server, "dbsize"), str(count))
            equal(output(server, "get", f"key:{count - 1}"), str(count - 1))


def mass_insertion_with_errors():
    with serve(2) as server:
        requests = b"".join(b"SET key:%d %d\r\nINCR key:%d extra\r\n" % (n, n, n) for n in range(1000))
        status, printed = cli(server, "--pipe", stdin=requests)
        holds("errors: 1000, replies: 2000" in printed, f"{status}: {printed[-300:]}")


def cluster_mode_follows_redirections():
    with serve(3, "--core-ports", "yes") as server:
        first = server.port + 1
        moved = 0
        for number in range(30):
            printed = output(first, "set", f"key:{number}", "x")
            moved += printed.startswith("MOVED ")
            equal(output(first, "-c", "set", f"key:{number}", str(number)), "OK")
            equal(output(first, "-c", "get", f"key:{number}"), str(number))
        holds(moved > 5, f"only {moved} of 30 keys were redirected")
        lines = "".join(f"incr key:{number}\n" for number in range(30))
        printed = [line for line in output(first, "-c", stdin=lines.encode()).split("\n") if "Redirected" not in line]
        equal(printed, [str(number + 1) for number in range(30)])
        holds("cluster_state:ok" in output(first, "cluster", "info"), "the cluster is well")
        # `--cluster call` learns the nodes from CLUSTER NODES.
        status, printed = run(["redis-cli", "--cluster", "call", f"127.0.0.1:{first}", "ping"])
        equal((status, printed.count("PONG")), (0, 3))


def scan():
    with serve(3) as server:
        output(server, "mset", *[word for n in range(500) for word in (f"key:{n}", "x")])
        found = output(server, "--scan").split("\n")
        equal(sorted(found), sorted(f"key:{n}" for n in range(500)))
        found = output(server, "--scan", "--pattern", "key:1?").split("\n")
        equal(sorted(found), sorted(f"key:1{n}" for n in range(10)))


def hints():
    with serve(2) as server:
        holds(len(output(server, "command", "docs", "get").split("\n")) > 5, "COMMAND DOCS feeds the hints")


def big_and_memory_keys():
    with serve(3) as server:
        output(server, "mset", *[word for n in range(200) for word in (f"key:{n}", "x" * n)])
        status, printed = cli(server, "--bigkeys")
        equal(status, 0)
        holds("Biggest string found" in printed and "key:199" in printed, printed[-600:])
        status, printed = cli(server, "--memkeys")
        equal(status, 0)
        holds("Sampled 200 keys in the keyspace" in printed, printed[-600:])


main(
    [
        one_shots,
        commands_from_standard_input,
        password,
        mass_insertion,
        mass_insertion_with_errors,
        cluster_mode_follows_redirections,
        scan,
        hints,
        big_and_memory_keys,
    ]
)
