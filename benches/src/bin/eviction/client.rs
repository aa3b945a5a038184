//! A server that is started and ended here, and a connection to it that waits for each pipeline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server of ours.
pub struct Server {
    child: Child,
    port: u16,
    directory: std::path::PathBuf,
}

impl Server {
    /// Starts one on a free port, without files.
    pub fn start(binary: &str, options: &[String]) -> Server {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let directory = std::env::temp_dir().join(format!("eviction-{port}"));
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let child = Command::new(binary)
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args(options)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        Server { child, port, directory }
    }

    /// A connection, as soon as the server answers.
    pub fn connect(&self) -> Connection {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                stream.set_nodelay(true).expect("a socket has the option");
                let reader = BufReader::with_capacity(1 << 18, stream.try_clone().expect("a socket can be shared"));
                return Connection { stream, reader, out: Vec::new(), sets: 0 };
            }
            assert!(Instant::now() < until, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// CPU time that it has used.
    pub fn cpu(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let behind_name = text.rsplit_once(')').expect("a name in brackets").1;
        let ticks: u64 =
            behind_name.split_whitespace().skip(11).take(2).map(|word| word.parse::<u64>().expect("a number")).sum();
        // SAFETY: asks for a constant.
        Duration::from_secs_f64(ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64)
    }

    /// Its resident bytes.
    pub fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).expect("it runs");
        text.split_whitespace().nth(1).expect("a second field").parse::<u64>().expect("a number") * 4096
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A connection.
pub struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    out: Vec<u8>,
    sets: usize,
}

impl Connection {
    /// The reply to a request: a line, or the content of a string.
    pub fn ask(&mut self, words: &[&str]) -> String {
        self.queue(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        self.send();
        let reply = self.reply().unwrap_or_default();
        assert!(!reply.starts_with(b"-"), "{words:?}: {}", String::from_utf8_lossy(&reply));
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// A reply that is a number.
    pub fn number(&mut self, words: &[&str]) -> u64 {
        self.ask(words)[1..].parse().expect("a number")
    }

    /// A figure of INFO.
    pub fn info(&mut self, name: &str) -> u64 {
        let text = self.ask(&["INFO"]);
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.expect("INFO has it").trim().parse().expect("a number")
    }

    /// Which of these keys are there.
    pub fn get_all(&mut self, keys: &[u32]) -> Vec<bool> {
        keys.iter().for_each(|key| self.queue(&[b"GET", name(*key).as_bytes()]));
        self.send();
        keys.iter().map(|_| self.reply().is_some()).collect()
    }

    /// Sets these keys.
    pub fn set_all(&mut self, keys: &[u32], value: &[u8]) {
        keys.iter().for_each(|key| self.queue_set(*key, value));
        self.flush_sets();
    }

    /// A SET of the next pipeline.
    pub fn queue_set(&mut self, key: u32, value: &[u8]) {
        self.queue(&[b"SET", name(key).as_bytes(), value]);
        self.sets += 1;
    }

    /// Sends the pipeline and waits for it.
    pub fn flush_sets(&mut self) {
        self.send();
        for _ in 0..std::mem::take(&mut self.sets) {
            let reply = self.reply().expect("SET has a reply");
            assert_eq!(reply, b"+OK", "{}", String::from_utf8_lossy(&reply));
        }
    }

    fn queue(&mut self, words: &[&[u8]]) {
        write!(self.out, "*{}\r\n", words.len()).expect("memory takes it");
        for word in words {
            write!(self.out, "${}\r\n", word.len()).expect("memory takes it");
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn send(&mut self) {
        self.stream.write_all(&self.out).expect("the server takes it");
        self.out.clear();
    }

    /// A line, or the bytes of a string; `None`: null.
    fn reply(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).expect("the server answers");
        line.truncate(line.len().saturating_sub(2));
        if line.first() != Some(&b'$') {
            return Some(line);
        }
        let len: i64 = String::from_utf8_lossy(&line[1..]).parse().expect("a length");
        let mut bytes = vec![0; usize::try_from(len).ok()? + 2];
        self.reader.read_exact(&mut bytes).expect("the server answers");
        bytes.truncate(bytes.len() - 2);
        Some(bytes)
    }
}

fn name(key: u32) -> String {
    format!("key:{key:012}")
}
