//! The calls of the inference service by name: what the host and its models are. Decides nothing.

use super::answer::answer;
use super::coding::{Codings, Message};
use super::infer;
use super::messages::Messages;
use super::permit::Permit;
use super::status::{no_call, refuse, refused};
use crate::access::Need;
use crate::server::edge::Answering;
use crate::server::error::HttpError;
use crate::server::predict::describe::{self, config_of, metadata_of, off_io_threads, statistics_of};
use crate::server::predict::request::parse_version;
use crate::server::predict::state::Shared;
use crate::server::repository::{self, IndexRequest};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::stream::iter;
use hyper::body::Incoming;
use prost::DecodeError;
use scry_catalog::VersionRef;
use scry_grpc::{
    ModelConfigRequest, ModelConfigResponse, ModelMetadataRequest, ModelMetadataResponse, ModelReadyRequest,
    ModelReadyResponse, ModelStatisticsRequest, ModelStatisticsResponse, RepositoryIndexRequest,
    RepositoryIndexResponse, ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest, ServerMetadataResponse,
    ServerReadyRequest, ServerReadyResponse,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use tonic::Status;

/// A message that is no prediction is not longer than this.
pub(super) const CALL_MAX_BYTES: usize = 64 << 10;

/// Answers a call of the inference service.
pub(super) fn call(app: &Arc<Shared>, method: &str, request: Request<Incoming>) -> Answering {
    match method {
        "ModelInfer" => infer::one(app, request),
        "ModelStreamInfer" => infer::stream(app, request),
        "ServerLive" => unary(app, request, |_, _, _: ServerLiveRequest| Ok(ServerLiveResponse { live: true })),
        "ServerReady" => unary(app, request, |app, _, _: ServerReadyRequest| {
            Ok(ServerReadyResponse { ready: app.takes_predictions() })
        }),
        "ModelReady" => unary(app, request, is_ready),
        "ServerMetadata" => unary(app, request, |_, _, _: ServerMetadataRequest| {
            as_message::<ServerMetadataResponse>(describe::server())
        }),
        "ModelMetadata" => unary(app, request, |app, permit, asked: ModelMetadataRequest| {
            permit.check(app, Need::Describe(asked.name.clone()))?;
            as_message::<ModelMetadataResponse>(metadata_of(app, &asked.name, version(&asked.version)?.as_ref())?)
        }),
        "ModelConfig" => unary(app, request, |app, permit, asked: ModelConfigRequest| {
            permit.check(app, Need::Describe(asked.name.clone()))?;
            let config = config_of(app, &asked.name, version(&asked.version)?.as_ref())?;
            Ok(ModelConfigResponse { config: Some(as_message(config)?) })
        }),
        "ModelStatistics" => unary(app, request, |app, permit, asked: ModelStatisticsRequest| {
            permit.check(app, if asked.name.is_empty() { Need::Read } else { Need::Describe(asked.name.clone()) })?;
            let name = Some(&*asked.name).filter(|name| !name.is_empty());
            as_message::<ModelStatisticsResponse>(statistics_of(app, name, version(&asked.version)?.as_ref())?)
        }),
        "RepositoryIndex" => unary(app, request, |app, _, asked: RepositoryIndexRequest| {
            let listed = repository::index(&app.predictor.routes(), &IndexRequest { ready: Some(asked.ready) });
            Ok(RepositoryIndexResponse { models: as_message(listed)? })
        }),
        "RepositoryModelLoad" | "RepositoryModelUnload" => {
            let message = "models change on the admin listener, by its HTTP interface; this listener changes nothing";
            refuse(Status::permission_denied(format!("{method}: {message}")))
        }
        "SystemSharedMemoryStatus"
        | "SystemSharedMemoryRegister"
        | "SystemSharedMemoryUnregister"
        | "CudaSharedMemoryStatus"
        | "CudaSharedMemoryRegister"
        | "CudaSharedMemoryUnregister" => refuse(Status::unimplemented(format!(
            "{method}: no memory is shared with clients; send tensors in messages"
        ))),
        "TraceSetting" | "LogSettings" => {
            refuse(Status::unimplemented(format!("{method}: what the host logs is in its configuration file")))
        }
        _ => refuse(no_call(request.uri().path())),
    }
}

/// Answers a call with what HTTP would say, off the threads that do I/O: it grows with cards and models.
fn unary<I, O>(
    app: &Arc<Shared>,
    request: Request<Incoming>,
    call: impl Fn(&Shared, &Permit, I) -> Result<O, HttpError> + Clone + Send + Sync + 'static,
) -> Answering
where
    I: prost::Message + Default + Send + 'static,
    O: prost::Message + Default + Send + 'static,
{
    let (app, permit) = (app.clone(), Permit::of(&request));
    Box::pin(async move {
        let answered = async {
            let Codings { sent, wanted } = Codings::of(request.headers())?;
            let message = Messages::of(request.into_body(), sent, CALL_MAX_BYTES).only(app.body_timeout).await?;
            let made = off_io_threads(&app, move |app| {
                let asked = I::decode(message.inflated(CALL_MAX_BYTES)?).map_err(unreadable)?;
                Ok(Message::compressed(call(app, &permit, asked)?.encode_to_vec().into(), wanted))
            });
            made.await.flatten()
        };
        match answered.await {
            Ok(message) => answer(HeaderMap::new(), message.coding, iter([Ok(message)])),
            Err(error) => refused(&app, error).into_http(),
        }
    })
}

fn unreadable(error: DecodeError) -> HttpError {
    HttpError::new(StatusCode::BAD_REQUEST, format!("the message could not be read: {error}"))
}

/// A version that is named.
fn version(text: &str) -> Result<Option<VersionRef>, HttpError> {
    Some(text).filter(|text| !text.is_empty()).map(parse_version).transpose()
}

fn is_ready(app: &Shared, permit: &Permit, asked: ModelReadyRequest) -> Result<ModelReadyResponse, HttpError> {
    permit.check(app, Need::Describe(asked.name.clone()))?;
    let served = app.predictor.served(&asked.name)?;
    let number = version(&asked.version)?.map_or(Ok(served.serving.live), |version| served.resolve(&version))?;
    Ok(ModelReadyResponse { ready: app.stopping.is_serving() && served.target(number).is_ok() })
}

/// What HTTP answers as JSON, as a message.
fn as_message<T: DeserializeOwned>(document: Value) -> Result<T, HttpError> {
    serde_json::from_value(document).map_err(|error| {
        tracing::error!(%error, "a description has no message; this is a bug in scry");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside the host; see its log")
    })
}
