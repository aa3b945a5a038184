//! Where requests go: one server, or the nodes of a cluster with the keys that each owns.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use torc_benches::slots::{SLOT_COUNT, slot_of};

use crate::plan::Workload;

/// One server and its keys.
#[derive(Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The keys it owns.
    pub keys: Keys,
}

/// A set of key numbers.
#[derive(Debug)]
pub enum Keys {
    /// 0 up to, without, this.
    All(u32),
    /// These, in rising order.
    Some(Vec<u32>),
}

impl Keys {
    /// How many.
    pub fn len(&self) -> u32 {
        match self {
            Self::All(count) => *count,
            Self::Some(numbers) => numbers.len() as u32,
        }
    }

    /// The key number at `index`, which is below `len`.
    #[inline]
    pub fn at(&self, index: u32) -> u32 {
        match self {
            Self::All(_) => index,
            Self::Some(numbers) => numbers[index as usize],
        }
    }
}

/// The server on `port`, or every node that it names when `is_cluster`.
///
/// # Errors
/// CLUSTER SLOTS fails, does not cover all slots, or a node is left without a key.
pub fn find(port: u16, is_cluster: bool, workload: &Workload, keyspace: u32) -> Result<Vec<Target>, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    if !is_cluster {
        return Ok(vec![Target { address, keys: Keys::All(keyspace) }]);
    }
    let ranges = parse_slots(&ask(address)?)?;
    let mut ports: Vec<u16> = ranges.iter().map(|range| range.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let owners = owners_of_slots(&ranges, &ports)?;
    let mut keys = vec![Vec::new(); ports.len()];
    let mut key = Vec::new();
    for number in 0..keyspace {
        key.clear();
        workload.push_key(number, &mut key);
        keys[owners[slot_of(&key)]].push(number);
    }
    if keys.iter().any(Vec::is_empty) {
        return Err("a node of the cluster owns no key of this keyspace".into());
    }
    let target = |(port, keys)| Target { address: SocketAddr::from(([127, 0, 0, 1], port)), keys: Keys::Some(keys) };
    Ok(ports.into_iter().zip(keys).map(target).collect())
}

#[derive(Debug, PartialEq)]
struct SlotRange {
    first: usize,
    last: usize,
    port: u16,
}

/// For each slot the place in `ports` of the node that owns it.
fn owners_of_slots(ranges: &[SlotRange], ports: &[u16]) -> Result<Vec<usize>, String> {
    let mut owners = vec![usize::MAX; SLOT_COUNT];
    for range in ranges {
        if range.first > range.last || range.last >= SLOT_COUNT {
            return Err(format!("CLUSTER SLOTS names slots {} to {}", range.first, range.last));
        }
        let owner = ports.iter().position(|&port| port == range.port).expect("ports were taken from the ranges");
        owners[range.first..=range.last].fill(owner);
    }
    match owners.iter().position(|&owner| owner == usize::MAX) {
        Some(slot) => Err(format!("no node owns slot {slot}")),
        None => Ok(owners),
    }
}

fn ask(address: SocketAddr) -> Result<Vec<u8>, String> {
    let problem = |error: std::io::Error| format!("CLUSTER SLOTS of {address}: {error}");
    let mut stream = TcpStream::connect(address).map_err(problem)?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(problem)?;
    stream.write_all(b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n").map_err(problem)?;
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = stream.read(&mut chunk).map_err(problem)?;
        if length == 0 {
            return Err("the server closed the connection after CLUSTER SLOTS".into());
        }
        reply.extend_from_slice(&chunk[..length]);
        match torc_benches::resp::scan_reply(&reply) {
            Ok(Some(_)) => return Ok(reply),
            Ok(None) => {}
            Err(_) => {
                return Err("CLUSTER SLOTS was answered with something that is not RESP".into());
            }
        }
    }
}

/// The ranges of a whole CLUSTER SLOTS reply; only each range's first node, its primary, is taken.
fn parse_slots(reply: &[u8]) -> Result<Vec<SlotRange>, String> {
    let text = String::from_utf8_lossy(reply);
    let mut lines = text.split("\r\n");
    let range_count = length(lines.next(), '*')?;
    (0..range_count)
        .map(|_| {
            let items = length(lines.next(), '*')?;
            let first = length(lines.next(), ':')?;
            let last = length(lines.next(), ':')?;
            let mut port = None;
            for _ in 2..items {
                let fields = length(lines.next(), '*')?;
                skip(&mut lines)?;
                let node_port = length(lines.next(), ':')?;
                for _ in 2..fields {
                    skip(&mut lines)?;
                }
                port = port.or(u16::try_from(node_port).ok());
            }
            Ok(SlotRange { first, last, port: port.ok_or("CLUSTER SLOTS names a range without a node")? })
        })
        .collect()
}

fn length(line: Option<&str>, kind: char) -> Result<usize, String> {
    line.and_then(|line| line.strip_prefix(kind)?.parse().ok())
        .ok_or_else(|| format!("CLUSTER SLOTS: expected a line '{kind}<number>', got {line:?}"))
}

/// Skips one value of any kind.
fn skip<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
    let line = lines.next().ok_or("CLUSTER SLOTS ends early")?;
    match line.as_bytes().first() {
        Some(b'$') if line != "$-1" => lines.next().map(|_| ()).ok_or_else(|| "CLUSTER SLOTS ends early".into()),
        Some(b'*' | b'%') => {
            let pairs = if line.starts_with('%') { 2 } else { 1 };
            let count: usize = line[1..].parse().unwrap_or(0);
            (0..count * pairs).try_for_each(|_| skip(lines))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_NODES: &[u8] = b"*2\r\n*4\r\n:0\r\n:8191\r\n*4\r\n$9\r\n127.0.0.1\r\n:7001\r\n$2\r\nid\r\n*0\r\n\
        *4\r\n$9\r\n127.0.0.1\r\n:7009\r\n$2\r\nre\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n\
        *3\r\n:8192\r\n:16383\r\n*3\r\n$-1\r\n:7002\r\n$2\r\nix\r\n";

    #[test]
    fn slots_are_read_with_replicas_and_metadata_left_out() {
        let ranges = parse_slots(TWO_NODES).unwrap();
        assert_eq!(ranges[0], SlotRange { first: 0, last: 8191, port: 7001 });
        assert_eq!(ranges[1], SlotRange { first: 8192, last: 16_383, port: 7002 });
        let owners = owners_of_slots(&ranges, &[7001, 7002]).unwrap();
        assert_eq!((owners[8191], owners[8192]), (0, 1));
    }

    #[test]
    fn errors_and_gaps_are_refused() {
        assert!(parse_slots(b"-ERR This instance has cluster support disabled\r\n").is_err());
        let gap = [SlotRange { first: 0, last: 5, port: 1 }];
        assert!(owners_of_slots(&gap, &[1]).unwrap_err().contains("slot 6"));
    }
}
