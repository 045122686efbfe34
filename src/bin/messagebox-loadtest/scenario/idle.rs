//! `idle`: open sockets, each of its own identity.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::auth::Identity;
use messagebox::client::ClientError;

use crate::measure::accounting::DeliveryTally;
use crate::options::SendPace;
use crate::run::{Run, stopped};
use crate::workload::Workload;

pub(crate) async fn prepare(run: &Arc<Run>, sockets: usize) -> Result<Workload, ClientError> {
    let mut workload = Workload::new(run, SendPace::InFlight(1));
    for _ in 0..sockets {
        let ready = workload.expect_ready();
        let run = Arc::clone(run);
        workload.tasks.spawn(async move {
            let mut socket = match run.connect(Arc::new(Identity::random())).await {
                Ok(socket) => socket,
                Err(error) => {
                    run.errors.note("a socket could not connect", &error);
                    let _ = ready.send(false);
                    return DeliveryTally::default();
                }
            };
            run.connected.fetch_add(1, Ordering::Relaxed);
            let _ = ready.send(true);
            drop(ready);
            let mut stop = run.stopping();
            loop {
                let event = tokio::select! {
                    event = socket.next_payload(run.reader()) => event,
                    () = stopped(&mut stop) => break,
                };
                if let Err(error) = event {
                    run.errors.note("an idle socket closed", &error);
                    run.connected.fetch_sub(1, Ordering::Relaxed);
                    break;
                }
            }
            DeliveryTally::default()
        });
    }
    workload.all_ready().await?;
    Ok(workload)
}
