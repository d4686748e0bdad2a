//! The Open Inference Protocol over gRPC, on the port of the prediction listener: a call's path to what answers it.
//! Nothing here changes state.

mod answer;
mod calls;
mod coding;
mod health;
mod infer;
mod messages;
mod other_services;
mod permit;
mod status;
mod told;

pub(in crate::server) use status::{refuse, status_of};

use crate::server::edge::Answering;
use crate::server::predict::state::Shared;
use axum::http::{Method, Request, Version, header};
use hyper::body::Incoming;
use other_services::OtherServices;
use scry_grpc::SERVICE;
use std::sync::Arc;
use tonic_reflection::server::Error;

/// What answers calls.
pub(in crate::server) struct Grpc {
    app: Arc<Shared>,
    other_services: OtherServices,
}

/// Whether a request is a call: what each call needs of a token is listed for POST alone.
pub(in crate::server) fn is_call<B>(request: &Request<B>) -> bool {
    let media_type = request.headers().get(header::CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    // `application/grpc`, perhaps with the form of its messages behind it; not `application/grpc-web`.
    let after = media_type.strip_prefix(b"application/grpc");
    let is_posted = request.method() == Method::POST && request.version() == Version::HTTP_2;
    is_posted && after.is_some_and(|after| matches!(after, [] | [b'+' | b';', ..]))
}

impl Grpc {
    /// Answers from these models; fails only where the descriptors that it was built with do not read.
    pub(in crate::server) fn new(app: Arc<Shared>) -> Result<Self, Error> {
        Ok(Self { other_services: OtherServices::new(app.clone())?, app })
    }

    /// Answers a call.
    pub(in crate::server) fn answer(&self, request: Request<Incoming>) -> Answering {
        let path = request.uri().path().to_owned();
        let (service, method) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
        if service == SERVICE {
            return calls::call(&self.app, method, request);
        }
        self.other_services.answer(service, request).unwrap_or_else(|| refuse(status::no_call(&path)))
    }
}
