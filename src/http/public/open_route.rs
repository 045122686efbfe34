//! Routes that anybody may read.

use actix_web::dev::Handler;
use actix_web::{FromRequest, Responder, web};

/// Adds a route for GET and HEAD behind each of these prefixes. Requests of other methods go on to the signed routes.
pub(super) fn open_route<F, Args>(
    config: &mut web::ServiceConfig,
    prefixes: &[&str],
    path: &str,
    handler: &F,
) where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    for prefix in prefixes {
        let path = format!("{prefix}{path}");
        config
            .route(&path, web::get().to(handler.clone()))
            .route(&path, web::head().to(handler.clone()));
    }
}
