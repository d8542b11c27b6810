//! What the wrapper costs a call: the cheapest function there is, straight and through it, by one thread and by two.
//!
//! `SCEAU_FAULTY_MODULE=/usr/lib/softhsm/libsofthsm2.so cargo run --release --example overhead`

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV, CKR_OK};
use libloading::os::unix::Library;

const CALLS: u32 = 5_000_000;

fn main() {
    let real = std::env::var_os("SCEAU_FAULTY_MODULE").expect("SCEAU_FAULTY_MODULE names the real module");
    let folder = std::env::current_exe().expect("it runs").parent().expect("it is in a folder").join("..");
    let faulty: PathBuf = folder.join("libsceau_faulty_token.so");
    for threads in [1, 2] {
        let straight = ns_per_call(&list(Path::new(&real)), threads);
        let wrapped = ns_per_call(&list(&faulty), threads);
        println!("{threads} thread(s): {straight:.1} ns straight, {wrapped:.1} ns wrapped, {:.1} ns more", wrapped - straight);
    }
}

fn list(module: &Path) -> CK_FUNCTION_LIST {
    // SAFETY: a PKCS#11 module, whose constructors are to run.
    let library = unsafe { Library::open(Some(module), libc::RTLD_NOW) }.expect("the module loads");
    // SAFETY: PKCS#11 gives the symbol this type.
    let get = unsafe { library.get::<unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV>(b"C_GetFunctionList\0") };
    let mut list = std::ptr::null_mut();
    // SAFETY: the module's function, and a place for its answer.
    assert_eq!(unsafe { get.expect("it is a PKCS#11 module")(&mut list) }, CKR_OK);
    std::mem::forget(library);
    // SAFETY: CKR_OK says that it is the module's list.
    unsafe { *list }
}

/// The best of five rounds. `C_GetFunctionStatus` does nothing by the standard and asks for no initialisation.
fn ns_per_call(list: &CK_FUNCTION_LIST, threads: u64) -> f64 {
    let status = list.C_GetFunctionStatus.expect("every module has it");
    let round = |_| {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for session in 1..=threads {
                // SAFETY: it takes any handle.
                scope.spawn(move || (0..CALLS).for_each(|_| _ = black_box(unsafe { status(black_box(session)) })));
            }
        });
        began.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..5).map(round).fold(f64::INFINITY, f64::min)
}
