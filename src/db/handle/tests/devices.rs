//! Devices.

use super::*;

#[actix::test]
async fn a_device_is_removed_from_its_owner_only() {
    let store = store();
    let (owner, other) = (key(), key());
    let registered = store.db.register_device(owner, "t".to_owned(), None, None);
    let id = registered.await.unwrap().unwrap();
    assert_eq!(store.db.remove_device(other, id).await, Ok(false));
    assert_eq!(store.db.remove_device(owner, id).await, Ok(true));
    assert_eq!(store.db.remove_device(owner, id).await, Ok(false));
    assert_eq!(store.db.devices(owner).await, Ok(Vec::new()));
    // The token can be registered again.
    let registered = store.db.register_device(other, "t".to_owned(), None, None);
    assert!(registered.await.unwrap().is_some());
}

#[actix::test]
async fn an_identity_has_so_many_devices_and_the_latest_stay() {
    let store = store();
    let owner = key();
    let register = |token: String| store.db.register_device(owner, token, None, None);
    for token in 0..51 {
        register(format!("token {token}")).await.unwrap();
    }
    let mut tokens: Vec<String> = store
        .db
        .devices(owner)
        .await
        .unwrap()
        .into_iter()
        .map(|device| device.fcm_token)
        .collect();
    assert_eq!(tokens.len(), 50);
    tokens.sort();
    assert!(!tokens.contains(&"token 0".to_owned()) && tokens.contains(&"token 50".to_owned()));
}
