//! `grpc.health.v1`: whether the host takes predictions, asked once or watched. Of single models says `ModelReady`.

use crate::server::predict::state::Shared;
use crate::server::shutdown::Stage;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use scry_grpc::SERVICE;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_server};

/// How long a change may go unseen by those that watch.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The health of the host.
#[derive(Clone)]
pub(super) struct Health(Arc<Shared>);

impl Health {
    pub(super) fn new(app: Arc<Shared>) -> Self {
        Self(app)
    }

    /// Of a service; the empty name is the host's.
    fn of(&self, service: &str) -> ServingStatus {
        match service {
            "" | SERVICE if self.0.takes_predictions() => ServingStatus::Serving,
            "" | SERVICE => ServingStatus::NotServing,
            _ => ServingStatus::ServiceUnknown,
        }
    }
}

fn told(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        match self.of(&service) {
            ServingStatus::ServiceUnknown => {
                let shown: String = service.chars().take(80).collect();
                Err(Status::not_found(format!("service `{shown}`: expected `` or `{SERVICE}`, found another")))
            }
            status => Ok(Response::new(told(status))),
        }
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    /// Says each change, the last one included: then the host ends.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (health, service) = (self.clone(), request.into_inner().service);
        let stopping = self.0.stopping.clone();
        let said = unfold((health, service, stopping, None), |(health, service, mut stopping, last)| async move {
            loop {
                let now = health.of(&service);
                if last != Some(now) {
                    return Some((Ok(told(now)), (health, service, stopping, Some(now))));
                }
                tokio::select! {
                    _ = stopping.after(Stage::Leaving) => return None,
                    () = sleep(LOOK_PAUSE) => {}
                }
            }
        });
        Ok(Response::new(said.boxed()))
    }
}
