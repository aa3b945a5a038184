//! The client's side of a request: arguments to a RESP array of bulk strings.

use crate::output::OutputBuffer;
use crate::reply::{Protocol, Reply};

/// Appends the request with `arguments` (the command's name first) to `out`.
pub fn write_request<A: AsRef<[u8]>>(out: &mut Vec<u8>, arguments: &[A]) {
    let mut request = OutputBuffer::new();
    // Requests look the same in both versions of the protocol.
    let mut writer = Reply::new(&mut request, Protocol::Resp2);
    writer.array(arguments.len());
    for argument in arguments {
        writer.bulk(argument.as_ref());
    }
    request.pieces().for_each(|piece| out.extend_from_slice(piece));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        write_request(&mut out, &["GET", "key"]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    }
}
