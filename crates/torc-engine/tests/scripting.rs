//! Scripts and functions: what can be said while there are none.

mod common;

use common::TestCore;

#[test]
fn there_are_no_libraries() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        for request in ["FUNCTION FLUSH", "FUNCTION FLUSH ASYNC", "function flush sync"] {
            assert_eq!(client.send(request), "+OK");
        }
        for request in ["FUNCTION LIST", "FUNCTION LIST WITHCODE LIBRARYNAME a*"] {
            assert_eq!(client.send(request), "[]");
        }
        assert_eq!(client.send("FUNCTION STATS"), "[\"running_script\", nil, \"engines\", []]");
        client.send("HELLO 3");
        assert_eq!(client.send("FUNCTION STATS"), "{\"running_script\": nil, \"engines\": {}}");
        assert_eq!(client.send("MULTI"), "+OK");
        assert_eq!(client.send("FUNCTION FLUSH"), "+QUEUED");
        assert_eq!(client.send("EXEC"), "[+OK]");
    }
}

#[test]
fn wrong_arguments_of_function_subcommands() {
    let client = TestCore::new(1).client();
    let table = [
        ("FUNCTION FLUSH x", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
        (
            "FUNCTION FLUSH ASYNC x",
            "-ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP.",
        ),
        ("FUNCTION LIST x", "-ERR Unknown argument x"),
        ("FUNCTION LIST WITHCODE WITHCODE", "-ERR Unknown argument WITHCODE"),
        ("FUNCTION LIST LIBRARYNAME", "-ERR library name argument was not given"),
        ("FUNCTION LIST LIBRARYNAME a LIBRARYNAME b", "-ERR Unknown argument LIBRARYNAME"),
        ("FUNCTION LOAD x", "-ERR unknown subcommand 'LOAD'. Try FUNCTION HELP."),
    ];
    for (request, reply) in table {
        assert_eq!(client.send(request), reply, "{request}");
    }
}
