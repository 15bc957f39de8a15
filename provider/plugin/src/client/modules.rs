//! Modules: what they are judged by, and how they stand.

use registry_api::ModuleAddress;
use registry_api::trust::{EvidenceRequest, ModuleStatus, ModuleStatusList, NewModuleStatus};
use registry_trust::evidence;
use registry_trust::tree::FileList;
use reqwest::Method;
use semver::Version;

use super::transport::Request;
use super::{Client, ClientError, segment};

impl Client {
    /// What to judge some releases by, as it came: nothing of it is believed yet.
    pub async fn evidence(&self, about: &EvidenceRequest) -> Result<Vec<u8>, ClientError> {
        let request =
            Request::new(Method::POST, "evidence").at_most(evidence::MAX_BYTES).body(about)?;
        self.transport.bytes(&request).await
    }

    /// The files of a release with their digests, as they came: nothing of it is believed yet.
    pub async fn module_files(
        &self,
        address: &str,
        version: &Version,
    ) -> Result<Vec<u8>, ClientError> {
        let path = format!("modules/{address}/{}/files", segment(&version.to_string()));
        let request = Request::new(Method::GET, path).at_most(FileList::MAX_BYTES);
        self.transport.bytes(&request).await
    }

    /// What stands of a module and its versions; `None` where there is no such module.
    pub async fn module_statuses(
        &self,
        address: &ModuleAddress,
    ) -> Result<Option<ModuleStatusList>, ClientError> {
        let request = Request::new(Method::GET, format!("modules/{address}/status"));
        match self.transport.call(&request).await {
            Ok(list) => Ok(Some(list)),
            Err(error) if error.code() == Some("module_not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says how a version stands, or the module as a whole, if number `expected` is the last that was said of the same.
    /// Sent again it changes nothing: what stands already is not said twice.
    pub async fn put_module_status(
        &self,
        address: &ModuleAddress,
        version: Option<&Version>,
        status: &NewModuleStatus,
        expected: u64,
    ) -> Result<ModuleStatus, ClientError> {
        let version = version.map(|version| format!("/{}", segment(&version.to_string())));
        let path = format!("modules/{address}{}/status", version.unwrap_or_default());
        let request = Request::new(Method::PUT, path)
            .query("expected_sequence", &expected.to_string())
            .body(status)?;
        self.transport.call(&request).await
    }
}
