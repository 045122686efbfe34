//! A server that stands for somebody else's: it answers as it is told and keeps what it was asked.

use std::sync::{Arc, Mutex, mpsc};

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

type Answer = Arc<dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync>;

/// It ends when dropped.
pub struct Remote {
    pub url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    stop: actix_web::dev::ServerHandle,
}

impl Remote {
    /// Answers each request by path and JSON body.
    pub fn start(answer: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let answer: Answer = Arc::new(answer);
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (sender, receiver) = mpsc::channel();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                    let respond = move |request: HttpRequest, body: web::Bytes| {
                        let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                        async move {
                            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                            let (status, reply) = answer(request.path(), &body);
                            kept.lock().unwrap().push((request.path().to_owned(), body));
                            if status == 0 {
                                // Never answers.
                                std::future::pending::<()>().await;
                            }
                            HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(reply)
                        }
                    };
                    App::new()
                        .app_data(web::PayloadConfig::new(64 << 20))
                        .default_service(web::to(respond))
                };
                let server = HttpServer::new(app)
                    .workers(1)
                    .disable_signals()
                    .bind(("127.0.0.1", 0))
                    .unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                sender.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, stop) = receiver.recv().unwrap();
        Self {
            url: format!("http://{address}"),
            asked,
            stop,
        }
    }

    /// What it was asked so far: path and body.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.stop.stop(false));
    }
}
