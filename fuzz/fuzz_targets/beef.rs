//! Transactions of payments: every input that passes the layout check is cheap to read, and every readable input has a
//! valid layout.
#![no_main]

use std::io::Cursor;

use bsv::transaction::Beef;
use libfuzzer_sys::fuzz_target;
use messagebox::beef_layout::check_layout;
use messagebox::payments::CheckedTransaction;
use messagebox_fuzz::memory;

fuzz_target!(|bytes: &[u8]| {
    let fits = memory::within(0, 0, || check_layout(bytes));
    if fits.is_err() {
        // The SDK's reader must never see it.
        assert!(CheckedTransaction::read(bytes).is_err());
        return;
    }
    let read = memory::within(bytes.len(), 96, || {
        Beef::from_binary(&mut Cursor::new(bytes))
    });
    let checked = CheckedTransaction::read(bytes);
    let Ok(beef) = read else {
        assert!(checked.is_err());
        return;
    };
    let transactions: usize = beef.txs.iter().filter(|entry| entry.tx.is_some()).count();
    assert!(transactions * 10 <= bytes.len());
    let Ok(checked) = checked else { return };
    assert_eq!(beef.atomic_txid.as_deref(), Some(&*checked.txid));
    // Written and read again it has the same value, also with its proofs in another order.
    let again = CheckedTransaction::read(&beef.to_binary_atomic(&checked.txid).unwrap()).unwrap();
    let sorted = |of: &CheckedTransaction| {
        let mut spends: Vec<_> = of
            .spends
            .iter()
            .map(|it| (it.outpoint.txid.clone(), it.outpoint.index, it.by.clone()))
            .collect();
        spends.sort();
        spends
    };
    assert_eq!(sorted(&again), sorted(&checked));
    assert_eq!(
        (&again.outputs, &again.merkle_roots),
        (&checked.outputs, &checked.merkle_roots)
    );
    assert!(
        !checked.spends.is_empty() || !checked.merkle_roots.is_empty(),
        "it comes from nowhere"
    );
});
