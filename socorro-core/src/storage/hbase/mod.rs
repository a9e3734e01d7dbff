//! placeholder
use super::open::HBaseOptions;
use super::*;
/// x
#[derive(Debug)]
pub struct HBaseCrashStorage;
impl HBaseCrashStorage {
    /// x
    pub fn new(_: &HBaseOptions, _: &str) -> Self {
        Self
    }
}
#[async_trait]
impl CrashStorage for HBaseCrashStorage {
    fn name(&self) -> &'static str {
        ""
    }
    async fn save_raw_crash(&self, _: &CrashId, _: &RawCrash, _: &Dumps) -> Result<()> {
        panic!()
    }
    async fn save_processed(&self, _: &CrashId, _: &ProcessedCrash) -> Result<()> {
        panic!()
    }
    async fn get_raw_crash(&self, _: &CrashId) -> Result<RawCrash> {
        panic!()
    }
    async fn get_dumps(&self, _: &CrashId) -> Result<Dumps> {
        panic!()
    }
    async fn get_dump(&self, _: &CrashId, _: &DumpName) -> Result<Dump> {
        panic!()
    }
    async fn get_processed(&self, _: &CrashId) -> Result<ProcessedCrash> {
        panic!()
    }
    async fn remove(&self, _: &CrashId) -> Result<()> {
        panic!()
    }
    fn new_crashes(&self) -> Result<CrashIds> {
        panic!()
    }
}
#[async_trait]
impl CrashQueue for HBaseCrashStorage {
    async fn claim(&self) -> Result<Option<Box<dyn Claim>>> {
        panic!()
    }
    async fn request(&self, _: &CrashId) -> Result<()> {
        panic!()
    }
}
