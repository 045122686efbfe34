//! Whether the database can store something now: that it answers says nothing of a disk that is full.

use diesel::prelude::*;

use crate::db::engine::schema::server_fees;

use super::command::{Command, Work};

/// A box that nobody has: names are not blank.
const NO_BOX: &str = " ";

/// Command: write a row and take it away again, which takes a commit as every other write does and leaves nothing.
pub(in crate::db) struct ProbeWrite;

impl Command for ProbeWrite {
    type Output = ();

    fn run(&self, work: &mut Work<'_>) -> QueryResult<()> {
        let row = (
            server_fees::created_at.eq(&work.now.text),
            server_fees::updated_at.eq(&work.now.text),
            server_fees::message_box.eq(NO_BOX),
            server_fees::delivery_fee.eq(0),
        );
        diesel::insert_into(server_fees::table)
            .values(row)
            .execute(work.connection)?;
        diesel::delete(server_fees::table.filter(server_fees::message_box.eq(NO_BOX)))
            .execute(work.connection)?;
        Ok(())
    }
}
