package import Hummingbird
internal import Logging

/// What is known of one request.
package struct BackendContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Whose conversations these are; set by `IdentityMiddleware`, without which no route that needs it is reached.
    package var user = ""

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
    }
}
