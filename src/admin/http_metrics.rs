//! The metrics of HTTP requests, and of the workers that answer them.

use super::exposition::MICROS;
use super::families::{Families, Number};
use super::status::HttpPart;

pub(super) fn metrics(families: &mut Families, http: &HttpPart) {
    let requests = http.requests.iter().flat_map(|(route, classes)| {
        let route = ("route", *route);
        classes
            .iter()
            .map(move |(class, count)| (vec![route, ("status", *class)], (*count).into()))
    });
    families.counters(
        "http_requests_total",
        "HTTP requests that were answered, by route and class of status.",
        requests,
    );
    families.counters(
        "http_failures_total",
        "Failures of HTTP requests, by code.",
        http.failures
            .iter()
            .map(|(code, count)| (vec![("code", *code)], (*count).into())),
    );
    families.counters(
        "connection_errors_total",
        "Connections that ended by an error of their client, by kind: tls (to a port without TLS), bad_request, head_too_large, timeout, disconnected.",
        http.connection_errors
            .iter()
            .map(|(kind, count)| (vec![("kind", *kind)], (*count).into())),
    );
    families.histogram(
        "http_request_seconds",
        "From a request to its answer, those of sockets left out.",
        &http.answer_micros,
        MICROS,
    );
    families.histogram(
        "worker_delay_seconds",
        "How late a worker comes to what waits for it, asked every 5 ms.",
        &http.worker_delay_micros,
        MICROS,
    );
    families.gauge(
        "worker_delay_max_seconds",
        "The longest delay of any worker since the start.",
        Number::from(http.worker_delay_micros.max).0 / MICROS,
    );
    families.histogram(
        "worker_busy_seconds",
        "How much of that the worker itself used the processor: about the longest that one task took.",
        &http.worker_busy_micros,
        MICROS,
    );
    families.gauge(
        "worker_busy_max_seconds",
        "The longest of these of any worker since the start.",
        Number::from(http.worker_busy_micros.max).0 / MICROS,
    );
    families.counter(
        "oversized_messages_total",
        "Messages that lists named instead of showing, because they are larger than a page; each list counts them anew.",
        http.oversized,
    );
}
