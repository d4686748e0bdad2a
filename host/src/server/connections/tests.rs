use super::*;
use crate::server::edge::routed;
use crate::server::watchdog::Timeouts;
use crate::telemetry::Metrics;
use crate::telemetry::traces::Sampler;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, watch};

const TIMEOUTS: Timeouts =
    Timeouts { header: Duration::from_secs(60), idle: Duration::from_secs(60), write: Duration::from_secs(60) };
/// More than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says when it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send("dropped");
    }
}

/// A listener whose one path says when it is asked, never answers, and says when that is dropped.
async fn pending() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<&'static str>, watch::Sender<Stage>) {
    let (says, said) = mpsc::unbounded_channel();
    let path = post(move |body: Bytes| async move {
        assert_eq!(body, "whole");
        let _dropped = Dropped(says.clone());
        says.send("asked").unwrap();
        std::future::pending::<()>().await;
    });
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let (stop, stopping) = Stopping::new();
    let router = Router::new().route("/", path);
    let edge = Edge {
        listener: "prediction",
        app: Box::new(move |request| routed(&router, request)),
        tls: None,
        connections_max: 2,
        timeouts: TIMEOUTS,
        metrics: Arc::new(Metrics::new().unwrap()),
        access_log: None,
        sampler: Sampler::default(),
    };
    tokio::spawn(edge.serve(socket, stopping));
    (address, said, stop)
}

async fn next(said: &mut mpsc::UnboundedReceiver<&'static str>) -> &'static str {
    timeout(PATIENCE, said.recv()).await.expect("nothing was said").unwrap()
}

async fn ask(address: std::net::SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.writable().await.unwrap();
    let request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nwhole";
    assert_eq!(tcp.try_write(request).unwrap(), request.len());
    tcp
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (address, mut said, _stop) = pending().await;
    let tcp = ask(address).await;
    assert_eq!(next(&mut said).await, "asked");
    drop(tcp);
    assert_eq!(next(&mut said).await, "dropped");

    let tcp = ask(address).await;
    assert_eq!(next(&mut said).await, "asked");
    tcp.set_zero_linger().unwrap();
    drop(tcp);
    assert_eq!(next(&mut said).await, "dropped", "after a reset");
}

#[tokio::test]
async fn a_stop_ends_what_is_idle_and_waits_for_what_is_not() {
    let (address, mut said, stop) = pending().await;
    let _asking = ask(address).await;
    assert_eq!(next(&mut said).await, "asked");
    let mut idle = TcpStream::connect(address).await.unwrap();
    stop.send_replace(Stage::Draining);
    let mut bytes = [0; 1];
    let mut bytes = ReadBuf::new(&mut bytes);
    let end = poll_fn(|cx| Pin::new(&mut idle).poll_read(cx, &mut bytes));
    // Accepted or not yet: it ends.
    let _ = timeout(PATIENCE, end).await.expect("an idle connection stays open");
    assert!(bytes.filled().is_empty());
    assert!(said.try_recv().is_err(), "a request was dropped");
}

#[test]
fn every_end_of_a_connection_is_documented() {
    use Ended::*;
    // A new one does not compile here before it is listed.
    let listed = |ended: Ended| match ended {
        TlsHandshake | HeaderTimeout | IdleTimeout | WriteTimeout | HeadTooLarge | BadRequest | ClientLeft => ended,
    };
    let all = [TlsHandshake, HeaderTimeout, IdleTimeout, WriteTimeout, HeadTooLarge, BadRequest, ClientLeft];
    let known: std::collections::BTreeSet<_> = all.map(listed).map(Ended::name).into();
    let page = include_str!("../../../../docs/reference/metrics.md");
    let (_, table) = page.split_once("| `reason` of an ended connection |").unwrap();
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<std::collections::BTreeSet<_>>(), known);
}
