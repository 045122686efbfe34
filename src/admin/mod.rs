//! Looking after a running server: the [`Admin`] actor asks everybody how things are, and [`Guard`] says who may ask it.
//!
//! Nobody works for it unless asked: layers count what they do anyway, sockets write down how they are, and what an actor
//! alone knows it is asked for, with a deadline. Who does not answer in time is called unresponsive and not waited for.

mod actor;
mod admission;
mod collect;
mod exposition;
mod families;
mod guard;
mod health_metrics;
mod history;
mod http_metrics;
mod neighbours;
mod process;
mod rates;
mod rooms;
mod status;
mod storage;

pub use actor::{Admin, End, GetHistory, GetStatus};
pub use admission::RefusalsPart;
pub use collect::{DEADLINE, Facts, Sources};
pub use exposition::{CONTENT_TYPE, exposition};
pub use guard::{Asker, Guard};
pub use history::HistoryReport;
pub use neighbours::{ClusterPart, NoncesPart};
pub use rooms::{Responding, RoomPart, RoomsAnswer, RoomsPart, Unresponsive};
pub use status::{
    DatabasePart, EventsPart, HandshakesPart, HttpPart, PaymentsPart, Percentiles, ProcessPart,
    PushPart, ServerPart, SessionsPart, SizePart, SocketsPart, Status, shorten,
};
pub use storage::{DiskPart, StoredTotalsPart, TotalsPart};
