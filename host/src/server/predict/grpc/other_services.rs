//! The services beside that of inference, which others wrote: health and reflection. They get messages that are short,
//! whole, and not compressed.

use super::answer::framed;
use super::calls::CALL_MAX_BYTES;
use super::coding::{Codings, Message, USED};
use super::health::Health;
use super::messages::Messages;
use super::status::refused;
use super::told::Told;
use crate::server::edge::Answering;
use crate::server::predict::state::Shared;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use futures_util::stream::{Stream, unfold};
use hyper::body::Incoming;
use scry_grpc::DESCRIPTORS;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::timeout;
use tonic::Status;
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, Error};
use tower_service::Service;

type Call = Box<dyn Fn(Request<Body>) -> Answering + Send + Sync>;

/// The services by name.
pub(super) struct OtherServices {
    app: Arc<Shared>,
    services: Vec<(&'static str, Call)>,
}

impl OtherServices {
    /// Fails only where the descriptors that the host was built with do not read.
    pub(super) fn new(app: Arc<Shared>) -> Result<Self, Error> {
        let described = || {
            let sets = Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
            // Each of the two forms of reflection adds itself alone.
            sets.register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        };
        let health = HealthServer::new(Health::new(app.clone()));
        let services = vec![named(health), named(described().build_v1()?), named(described().build_v1alpha()?)];
        Ok(Self { app, services })
    }

    /// Has a service answer, if there is one of this name.
    pub(super) fn answer(&self, service: &str, request: Request<Incoming>) -> Option<Answering> {
        let (_, call) = self.services.iter().find(|(name, _)| *name == service)?;
        let coding = match Codings::of(request.headers()) {
            Ok(codings) => codings.sent,
            Err(error) => return Some(super::refuse(refused(&self.app, error))),
        };
        let (mut head, body) = request.into_parts();
        head.headers.remove(&USED);
        let messages = Messages::of(body, coding, CALL_MAX_BYTES);
        Some(call(Request::from_parts(head, Body::from_stream(plain(self.app.clone(), messages)))))
    }
}

/// Messages as they were before they were compressed, in their frames.
fn plain(app: Arc<Shared>, messages: Messages<Incoming>) -> impl Stream<Item = Result<Bytes, Status>> + Send + 'static {
    unfold(Some((app, messages)), |state| async {
        let (app, mut messages) = state?;
        let message = match timeout(app.idle_timeout, messages.next()).await {
            Ok(Ok(message)) => message?.inflated(CALL_MAX_BYTES),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let message = format!("no message came within {} ms", app.idle_timeout.as_millis());
                return Some((Err(Status::deadline_exceeded(message)), None));
            }
        };
        match message {
            Ok(bytes) => Some((framed(&Message { bytes, coding: None }), Some((app, messages)))),
            Err(error) => Some((Err(refused(&app, error)), None)),
        }
    })
}

fn named<S>(service: S) -> (&'static str, Call)
where
    S: NamedService + Service<Request<Body>, Response = Response<tonic::body::Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let call: Call = Box::new(move |request| {
        let answering = service.clone().call(request);
        Box::pin(async {
            let Ok(response) = answering.await;
            response.map(|body| Body::new(Told::new(body)))
        })
    });
    (S::NAME, call)
}
