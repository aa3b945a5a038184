//! The two servers: processes of this one, started anew when one of them is gone, and the connections to them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use torc_resp::reader::reply_len;
use torc_resp::write_request;

/// How long a server may take to start, or to reply.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a server is started.
pub struct Program {
    /// Path of the executable.
    pub path: String,
    /// The port it is told to listen on, at 127.0.0.1.
    pub port: u16,
    /// Arguments besides the port.
    pub arguments: Vec<String>,
}

/// A running server; it ends with this value.
pub struct Server {
    program: Program,
    child: Child,
}

impl Server {
    /// Starts it and waits until it answers.
    pub fn start(program: Program) -> Result<Server, String> {
        let child = spawn(&program)?;
        let mut server = Server { program, child };
        server.await_answer()?;
        Ok(server)
    }

    /// Starts it again if it is gone.
    pub fn revive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => {
                self.child = spawn(&self.program)?;
                self.await_answer()
            }
        }
    }

    /// A connection that speaks this protocol.
    pub fn connect(&self, protocol: u8) -> Result<Connection, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.program.port)).map_err(|error| self.name(&error))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| self.name(&error))?;
        stream.set_nodelay(true).map_err(|error| self.name(&error))?;
        let mut connection = Connection { stream, input: Vec::new(), position: 0, output: Vec::new() };
        if protocol == 3 {
            connection.call(&["HELLO", "3"])?;
        }
        Ok(connection)
    }

    fn name(&self, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", self.program.path)
    }

    fn await_answer(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.connect(2).and_then(|mut connection| connection.call(&["PING"]));
            // First, lest another server on the port is taken for it.
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.name(&status));
            }
            if answer.is_ok_and(|reply| reply == b"+PONG\r\n") {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.name(&"does not answer"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Program) -> Result<Child, String> {
    let mut command = Command::new(&program.path);
    command.args(["--port", &program.port.to_string(), "--enable-debug-command", "yes"]);
    // No snapshots, and none that somebody else has left here.
    command.args(["--save", "", "--dbfilename", "torc-diff.rdb"]);
    command.args(&program.arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().map_err(|error| format!("{}: {error}", program.path))
}

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    position: usize,
    output: Vec<u8>,
}

impl Connection {
    /// Puts a request into the pipeline.
    pub fn push<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        write_request(&mut self.output, arguments);
    }

    /// Sends the pipeline.
    pub fn flush(&mut self) -> Result<(), String> {
        let sent = self.stream.write_all(&self.output).map_err(|error| error.to_string());
        self.output.clear();
        sent
    }

    /// The next reply.
    pub fn read(&mut self) -> Result<Vec<u8>, String> {
        loop {
            match reply_len(&self.input[self.position..]) {
                Some(Ok(len)) => {
                    let reply = self.input[self.position..self.position + len].to_vec();
                    self.position += len;
                    return Ok(reply);
                }
                Some(Err(())) => return Err("what came is no RESP".into()),
                None => self.receive()?,
            }
        }
    }

    fn receive(&mut self) -> Result<(), String> {
        self.input.drain(..self.position);
        self.position = 0;
        let len = self.input.len();
        self.input.resize(len + (1 << 16), 0);
        let received = self.stream.read(&mut self.input[len..]);
        self.input.truncate(len + received.as_ref().copied().unwrap_or(0));
        match received {
            Ok(0) => Err("the connection was closed".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("no reply: {error}")),
        }
    }

    /// One request and its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<Vec<u8>, String> {
        self.push(arguments);
        self.flush()?;
        self.read()
    }
}
