//! A stand-in for a server of someone else: it gives prepared answers and records its requests.

use std::sync::{Arc, Mutex, mpsc};

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

#[derive(Debug, Clone)]
pub struct RemoteRequest {
    pub path: String,
    pub authorization: String,
    pub text: String,
    /// The body as JSON, if it is JSON.
    pub json: Value,
}

/// An answer. Status 0 means no answer, ever.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub json: Value,
    pub retry_after: Option<u32>,
    /// The answer waits for one permit of this.
    pub held_by: Option<Arc<Semaphore>>,
}

impl From<(u16, Value)> for Reply {
    fn from((status, json): (u16, Value)) -> Self {
        Self {
            status,
            json,
            retry_after: None,
            held_by: None,
        }
    }
}

type Answer = Arc<dyn Fn(&RemoteRequest) -> Reply + Send + Sync>;

/// The server. It ends when dropped.
pub struct Remote {
    pub url: String,
    requests: Arc<Mutex<Vec<RemoteRequest>>>,
    stop: actix_web::dev::ServerHandle,
}

/// The successful answer to a health probe for a wallet, a headers service or Firebase. Tests need not handle these.
fn probed(request: &RemoteRequest) -> Option<Value> {
    if request.path.ends_with("/isAuthenticated") {
        return Some(json!({ "authenticated": true }));
    }
    if request.path.ends_with("/merkleroot/verify") && request.json[0]["blockHeight"] == 0 {
        return Some(json!({ "confirmationState": "CONFIRMED" }));
    }
    (request.json["validate_only"] == true).then(|| json!({ "name": "projects/p/messages/fake" }))
}

async fn respond(
    request: HttpRequest,
    body: web::Bytes,
    answer: Answer,
    kept: Arc<Mutex<Vec<RemoteRequest>>>,
) -> HttpResponse {
    let authorization = request.headers().get("authorization");
    let received = RemoteRequest {
        path: request.path().to_owned(),
        authorization: authorization
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default(),
        text: String::from_utf8(body.to_vec()).unwrap(),
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    if let Some(answer) = probed(&received) {
        return HttpResponse::Ok().json(answer);
    }
    let reply = answer(&received);
    kept.lock().unwrap().push(received);
    if reply.status == 0 {
        std::future::pending::<()>().await;
    }
    if let Some(held_by) = &reply.held_by {
        held_by.acquire().await.unwrap().forget();
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(reply.status).unwrap());
    if let Some(seconds) = reply.retry_after {
        response.insert_header(("retry-after", seconds.to_string()));
    }
    response.json(reply.json)
}

impl Remote {
    /// Answers each request with this function.
    pub fn start(answer: impl Fn(&RemoteRequest) -> Reply + Send + Sync + 'static) -> Self {
        let answer: Answer = Arc::new(answer);
        let requests: Arc<Mutex<Vec<RemoteRequest>>> = Arc::default();
        let (sender, receiver) = mpsc::channel();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                    let route = move |request: HttpRequest, body: web::Bytes| {
                        respond(request, body, Arc::clone(&answer), Arc::clone(&kept))
                    };
                    App::new()
                        .app_data(web::PayloadConfig::new(64 << 20))
                        .default_service(web::to(route))
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
            requests,
            stop,
        }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<RemoteRequest> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.stop.stop(false));
    }
}
