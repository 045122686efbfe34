//! Managing a running server: the [`Admin`] actor collects the status, and [`Guard`] decides who may read it.
//!
//! Collecting costs the other layers nothing until somebody asks. Layers count their work anyway, and sockets keep a record
//! of themselves. The actor asks other actors only for what they alone have, with a deadline. An actor that misses the
//! deadline is reported as unresponsive.
#![expect(missing_docs, reason = "names that say it all have no comment")]

mod actor;
mod collect;
mod exposition;
mod families;
mod guard;
mod history;
mod process;
mod rates;
mod status;

pub use actor::{Admin, GetHistory, GetServerStatus, StopAdmin};
pub use collect::{DEADLINE, Facts, StatusSources};
pub use exposition::{CONTENT_TYPE, exposition};
pub use guard::{AdminRequester, Guard};
pub use history::HistoryReport;
pub use status::{Responding, RoomsAnswer, ServerStatus, shorten};
