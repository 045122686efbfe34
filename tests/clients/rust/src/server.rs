//! Runs the real server binary on a free port with its own data folder.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct TestServer {
    port: u16,
    folder: PathBuf,
    process: Child,
}

impl TestServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let folder = std::env::temp_dir().join(format!("messagebox-rust-clients-{port}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let process = launch(port, &folder);
        Self {
            port,
            folder,
            process,
        }
    }

    pub fn host(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills the server and starts it again on the same port.
    pub fn restart(&mut self) {
        self.process.kill().expect("the server is killed");
        self.process.wait().expect("it ends");
        self.process = launch(self.port, &self.folder);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn launch(port: u16, folder: &PathBuf) -> Child {
    let binary =
        std::env::var_os("MESSAGEBOX_SERVER").expect("MESSAGEBOX_SERVER names the server binary");
    let mut process = Command::new(binary)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("NODE_ENV", "development")
        .env("HOST", "127.0.0.1")
        .env("PORT", port.to_string())
        .env("DATA_DIR", folder)
        .env("CONFIG_DIR", folder)
        .env("AUTH_REVIVAL_DELAY", "300ms")
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the server starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = process.try_wait().expect("its state");
        assert!(
            ended.is_none() && Instant::now() < deadline,
            "the server did not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}
