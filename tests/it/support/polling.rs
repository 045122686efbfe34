//! A polling client that shows every request.

use awc::Client;

pub struct Polling {
    client: Client,
    url: String,
    pub sid: String,
}

/// The status and body of an answer.
pub type Answer = (u16, String);

pub fn client() -> Client {
    Client::builder()
        .timeout(super::PATIENCE)
        .max_http_version(awc::http::Version::HTTP_11)
        .finish()
}

pub async fn get(url: &str) -> Answer {
    let mut response = client().get(url).send().await.unwrap();
    let body = response.body().limit(64 << 20).await.unwrap();
    (
        response.status().as_u16(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

pub async fn post(url: &str, body: impl Into<Vec<u8>>) -> Answer {
    let mut response = client().post(url).send_body(body.into()).await.unwrap();
    let body = response.body().limit(64 << 20).await.unwrap();
    (
        response.status().as_u16(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

impl Polling {
    /// Begins a session at `url`, which ends with the query `EIO=4&transport=polling`.
    pub async fn open(url: &str) -> Self {
        let (status, body) = get(url).await;
        assert_eq!(status, 200, "{body}");
        let open: serde_json::Value =
            serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
        let sid = open["sid"].as_str().unwrap().to_owned();
        Self {
            client: client(),
            url: format!("{url}&sid={sid}"),
            sid,
        }
    }

    pub async fn get(&self) -> Answer {
        let mut response = self.client.get(&self.url).send().await.unwrap();
        let body = response.body().limit(64 << 20).await.unwrap();
        (
            response.status().as_u16(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    pub async fn post(&self, body: impl Into<Vec<u8>>) -> Answer {
        post(&self.url, body).await
    }

    /// Sends a raw GET on a new connection, which ends when dropped.
    pub async fn get_raw(&self, address: std::net::SocketAddr) -> tokio::net::TcpStream {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let path = self.url.splitn(4, '/').nth(3).unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nhost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}
