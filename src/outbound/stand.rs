//! A test server that answers with given bytes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A server that answers one request for each connection, and records request lines and bodies.
pub(crate) struct Stand {
    pub(crate) url: String,
    pub(crate) asked: Receiver<(String, Vec<u8>)>,
}

impl Stand {
    /// Starts a server. `answer` writes the answer to a request line. Connections are served one after the other.
    pub(crate) fn start(answer: impl Fn(&mut TcpStream, &str) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                Self::exchange(stream.unwrap(), &answer, &sender);
            }
        });
        Self { url, asked }
    }

    fn exchange(
        stream: TcpStream,
        answer: &impl Fn(&mut TcpStream, &str),
        sender: &Sender<(String, Vec<u8>)>,
    ) {
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if first.is_empty() {
                first = line.trim().to_owned();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let _ = sender.send((first.clone(), body));
        answer(reader.get_mut(), &first);
    }

    /// Starts a server with one answer to all requests.
    pub(crate) fn saying(answer: &'static str) -> Self {
        Self::start(move |stream, _| {
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    /// The request lines since the last call.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked.try_iter().map(|(line, _)| line).collect()
    }
}
