"use strict";

// No validator: it would be asked over the network. A query, such as `?model=NAME`, is the document's.
SwaggerUIBundle({
  url: "openapi.json" + window.location.search,
  dom_id: "#document",
  deepLinking: true,
  validatorUrl: null,
});
