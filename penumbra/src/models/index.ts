// Networks: each file one architecture, with the parameter names of its published weights.
export { ProjectionHead, ResNet, type ResNetOptions } from "./resnet.ts";
