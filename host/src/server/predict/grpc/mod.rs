//! The Open Inference Protocol over gRPC, on the port of the prediction listener: a call's path to what answers it.
//! Nothing here changes state.

mod arriving;
mod calls;
mod codec;
mod health;
mod infer;
mod permit;
mod status;

pub(in crate::server) use status::{refuse, status_of};

use crate::server::edge::Answering;
use crate::server::predict::state::Shared;
use arriving::Arriving;
use axum::body::Body;
use axum::http::{Request, Response, Version, header};
use health::Health;
use hyper::body::Incoming;
use scry_grpc::{DESCRIPTORS, SERVICE};
use std::convert::Infallible;
use std::sync::Arc;
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, Error};
use tower_service::Service;

/// Another service beside that of inference.
type Beside = Box<dyn Fn(Request<Arriving>) -> Answering + Send + Sync>;

/// What answers calls.
pub(in crate::server) struct Grpc {
    app: Arc<Shared>,
    beside: Vec<(&'static str, Beside)>,
}

/// Whether a request is a call.
pub(in crate::server) fn is_call<B>(request: &Request<B>) -> bool {
    let media_type = request.headers().get(header::CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    // `application/grpc`, perhaps with the form of its messages behind it; not `application/grpc-web`.
    let after = media_type.strip_prefix(b"application/grpc");
    request.version() == Version::HTTP_2 && after.is_some_and(|after| matches!(after, [] | [b'+' | b';', ..]))
}

impl Grpc {
    /// Answers from these models; fails only where the descriptors that it was built with do not read.
    pub(in crate::server) fn new(app: Arc<Shared>) -> Result<Self, Error> {
        let health = HealthServer::new(Health::new(app.clone()));
        let described = || {
            let sets = Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
            // Each of the two forms of reflection adds itself alone.
            sets.register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        };
        let beside = vec![
            named(health),
            named(described().build_v1()?.max_decoding_message_size(calls::CALL_MAX_BYTES)),
            named(described().build_v1alpha()?.max_decoding_message_size(calls::CALL_MAX_BYTES)),
        ];
        Ok(Self { app, beside })
    }

    /// Answers a call.
    pub(in crate::server) fn answer(&self, request: Request<Incoming>) -> Answering {
        let path = request.uri().path().to_owned();
        let (service, method) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
        if service == SERVICE {
            return calls::answer(&self.app, method, request);
        }
        match self.beside.iter().find(|(name, _)| *name == service) {
            Some((_, answer)) => answer(request.map(|body| Arriving::new(body, self.app.idle_timeout))),
            None => status::refuse(status::no_call(&path)),
        }
    }
}

fn named<S>(service: S) -> (&'static str, Beside)
where
    S: NamedService + Service<Request<Arriving>, Response = Response<tonic::body::Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let answer: Beside = Box::new(move |request| {
        let answering = service.clone().call(request);
        Box::pin(async {
            let Ok(response) = answering.await;
            response.map(Body::new)
        })
    });
    (S::NAME, answer)
}
