//! A connection of HTTP/2 on which one method of gRPC is called again and again. Blocks, and never retries.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Far beyond every deadline: a wait of this length is a bug.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// As clients of gRPC choose it: an answer is sent without waiting for the client to make room.
const WINDOW_BYTES: u32 = 1 << 20;
/// Whether a message is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// An open connection.
pub(crate) struct Channel {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    uri: String,
}

/// A message as it is sent.
pub(crate) fn framed(message: &[u8]) -> io::Result<Bytes> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Ok(framed.freeze())
}

impl Channel {
    /// Connects, for calls of this method.
    pub(crate) fn open(server: SocketAddr, method: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let requests = runtime.block_on(async {
            let stream = TcpStream::connect(server).await?;
            stream.set_nodelay(true)?;
            let mut builder = Builder::new();
            builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
            let (requests, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
            // It ends with the runtime; a call that it fails says so.
            tokio::spawn(async { drop(connection.await) });
            Ok::<_, io::Error>(requests)
        })?;
        Ok(Self { runtime, requests, uri: format!("http://{server}{method}") })
    }

    /// One call: the message that answers it.
    pub(crate) fn call(&mut self, framed: &Bytes) -> io::Result<Bytes> {
        let Self { runtime, requests, uri } = self;
        let call = async {
            let request =
                Request::post(uri.as_str()).header("content-type", "application/grpc").header("te", "trailers");
            let request = request.body(()).map_err(io::Error::other)?;
            let mut ready = requests.clone().ready().await.map_err(io::Error::other)?;
            let (answer, mut body) = ready.send_request(request, false).map_err(io::Error::other)?;
            body.send_data(framed.clone(), true).map_err(io::Error::other)?;
            answered(answer).await
        };
        runtime.block_on(async { timeout(ANSWER_TIME_MAX, call).await })?
    }
}

async fn answered(answer: ResponseFuture) -> io::Result<Bytes> {
    let (head, mut body) = answer.await.map_err(io::Error::other)?.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(some) = body.data().await {
        let some = some.map_err(io::Error::other)?;
        body.flow_control().release_capacity(some.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(&some);
    }
    let trailers = body.trailers().await.map_err(io::Error::other)?;
    // An answer without a message has its status in its head.
    let fields = trailers.as_ref().unwrap_or(&head.headers);
    match fields.get("grpc-status").map(http::HeaderValue::as_bytes) {
        Some(b"0") if bytes.len() >= PREFIX_BYTES => {
            bytes.advance(PREFIX_BYTES);
            Ok(bytes.freeze())
        }
        _ => Err(io::Error::other(format!("{}: {fields:?}", head.status))),
    }
}
